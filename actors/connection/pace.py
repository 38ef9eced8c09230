"""The times that serving a connection goes by."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pace:
    """The seconds that serving goes by; `lease` is how long a hold lasts, None for ever."""

    reconnect_base: float = 0.5
    reconnect_cap: float = 60.0
    min_uptime: float = 10.0
    heartbeat: float = 30.0
    lease: float | None = None
    grace: float = 5.0
    short_grace: float = 1.0
    close: float = 2.0
    last_drain: float = 2.0
    last_copy: float = 4.0
    release: float = 2.0
    open_to_log_out: float = 10.0
