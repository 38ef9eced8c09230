"""A run that is asked to end cleans up like one that is interrupted: fixtures end what they began."""

from __future__ import annotations

import signal


def pytest_configure() -> None:
    signal.signal(signal.SIGTERM, signal.default_int_handler)
