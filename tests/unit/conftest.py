"""Fixtures of the unit tests."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# A machine that stalls for a moment makes no example wrong.
settings.register_profile("stalls", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("stalls")
