"""Quotas for tests of something else, and of a size."""

from __future__ import annotations

from actors.runtime.limits.limits import Limit
from actors.runtime.limits.quotas import Quota

UNLIMITED = Quota(None, Limit("none", 0, "none", 1), 0)


def at_most(size: int, connections: int = 0) -> Quota:
    """So many for all, with parts for so many connections."""
    return Quota(None, Limit("MAX_WEBHOOKS", size, "instance_limit_reached", 5), connections)
