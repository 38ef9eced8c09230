"""Decides which limit (time-lock, new-chat cap, pacing) a message to a new person waits for, and until when (pure).

WhatsApp has two limits: a time-lock (it takes the account for one that reaches out too much, and refuses with
463) and a cap on new chats (475). The third is the service's own pacing of new chats. Times are seconds since the epoch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

REACH_OUT_LIMITED: Final = "reach_out_limited"
NEW_CHATS_CAPPED: Final = "new_chats_capped"
NEW_CHATS_PACED: Final = "new_chats_paced"
"""The codes of messages that wait for the end of a limit."""

TIME_LOCK: Final = "time_lock"
"""The reason of an account that is time-locked; that of the cap is its code."""

UNTOLD_CAP: Final = 3600.0
"""Seconds that new chats rest after a refusal by the cap without its end."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of an account until when; None where there is none.

    `reported`: WhatsApp said when the cap ends; otherwise it is queried again then. `paced_until`: no further chat is
    begun until then by the pacing of new chats.
    """

    locked_until: float | None = None
    capped_until: float | None = None
    reported: bool = True
    paced_until: float | None = None

    def at(self, now: float) -> Limits:
        """Those of them that are not over."""
        return Limits(
            _ahead(self.locked_until, now),
            _ahead(self.capped_until, now),
            self.reported,
            _ahead(self.paced_until, now),
        )

    @property
    def ends(self) -> dict[str, float | None]:
        """The end of each by the code of the messages that wait for it."""
        return {
            REACH_OUT_LIMITED: self.locked_until,
            NEW_CHATS_CAPPED: self.capped_until,
            NEW_CHATS_PACED: self.paced_until,
        }

    @property
    def shown(self) -> ShownLimit:
        """The limit of WhatsApp that people are shown: the time-lock before the cap, and no guess."""
        if self.locked_until is not None:
            return ShownLimit(self.locked_until, TIME_LOCK)
        if self.capped_until is not None and self.reported:
            return ShownLimit(self.capped_until, NEW_CHATS_CAPPED)
        return ShownLimit(None, None)


class ShownLimit(NamedTuple):
    """Until when an account is limited, and why; both None where it is not."""

    until: float | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class LimitNotice:
    """A notice that WhatsApp limits the account, or does not any more; `NotedLimit` declares its fields."""

    until: float | None
    reason: str | None
    at: float


class LimitWait(NamedTuple):
    """Until when a message waits, and the code of the limit that it waits for."""

    code: str
    until: float


NONE: Final = Limits()


def wait(limits: Limits, now: float, *, answers: bool, begun: bool = False) -> LimitWait | None:
    """The limit that a message waits for, with its end; None where it may leave.

    A message to a group, or to somebody who ever wrote (`answers`), waits for none. In a chat that the
    account itself began (`begun`) it waits for the time-lock alone. Of several the one that ends last counts.
    """
    if answers:
        return None
    ends = [
        LimitWait(code, end)
        for code, end in limits.at(now).ends.items()
        if end is not None and not (begun and code != REACH_OUT_LIMITED)
    ]
    return max(ends, key=lambda each: each.until, default=None)


def _ahead(end: float | None, now: float) -> float | None:
    return None if end is None or end <= now else end
