"""Defines timeouts and intervals of serving a connection, partly from settings, and computes reconnect pauses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from actors.connection.disconnects.consequences import PairAgain, Reconnect
from actors.runtime.backoff import MAX_EXPONENT, backoff

if TYPE_CHECKING:
    from actors.connection.disconnects.consequences import Consequence


@dataclass(frozen=True, slots=True)
class Timeouts:
    """The seconds that serving goes by; `lease` is how long a hold lasts, None for ever.

    After a `silence` WhatsApp is asked for a sign of life, and has a `probe` to answer.
    """

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
    silence: float = 30.0
    probe: float = 10.0

    def pause(self, follows: Consequence, failures: int, spread: float) -> float:
        """Seconds until the next socket, after so many in a row that did not last.

        `spread` is a random number from 0 to 1, so that not all try at the same time.
        """
        at_once = isinstance(follows, PairAgain) or (
            isinstance(follows, Reconnect) and follows.at_once
        )
        if at_once and failures <= 2:  # at once, but not in a circle
            return 0.0
        if isinstance(follows, Reconnect) and follows.slowly:
            failures = MAX_EXPONENT
        return backoff(failures, self.reconnect_base, self.reconnect_cap, spread, floor=0.5)
