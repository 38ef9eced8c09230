"""Decides how many messages and new chats a day an account may send: by settings, or by its days since linking (pure).

WhatsApp publishes no limits, and takes an account that was just linked and sends a lot for a machine. The steps are
guesses from reports of people who run other clients (`docs/real-account.md` names them). Times are seconds since the
epoch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from actors.runtime.limits.durations import DAY

if TYPE_CHECKING:
    from actors.config.settings import Settings


class Step(NamedTuple):
    """The limits of an account up to this day since it was linked, which is day 1."""

    last_day: int
    messages_per_minute: int
    messages_per_day: int
    new_chats_per_day: int


PACE_STEPS: Final = (
    Step(3, 4, 50, 3),
    Step(7, 6, 100, 5),
    Step(14, 8, 250, 10),
    Step(28, 15, 600, 20),
)

UNLIMITED: Final = Step(0, 0, 0, 0)

NEW_DAYS: Final = PACE_STEPS[-1].last_day
"""Days for which an account is new."""


@dataclass(frozen=True, slots=True)
class AccountPace:
    """The limits of one account now; 0 is no limit.

    `day` counts from 1 while the account is new and its age sets at least one of them; None otherwise.
    """

    messages_per_minute: int = 0
    messages_per_day: int = 0
    new_chats_per_day: int = 0
    day: int | None = None

    def __bool__(self) -> bool:
        """Whether any of the three is limited."""
        return any((self.messages_per_minute, self.messages_per_day, self.new_chats_per_day))


def day_of(linked_at: float, now: float) -> int:
    """The day since linking, from 1; a clock that was set back makes none earlier."""
    return max(0, int((now - linked_at) // DAY)) + 1


def step(linked_at: float | None, now: float) -> Step | None:
    """The step of an account that was linked then; None if it is no longer new, or its age is not known."""
    if linked_at is None:
        return None
    day = day_of(linked_at, now)
    return next((each for each in PACE_STEPS if day <= each.last_day), None)


def pace(settings: Settings, linked_at: float | None, now: float) -> AccountPace:
    """The pace of an account: a setting wins, the age stands in for those that are not set.

    An account of the simulator is never new.
    """
    given = (
        settings.pacing_messages_per_minute,
        settings.pacing_messages_per_day,
        settings.pacing_new_chats_per_day,
    )
    by_age = settings.pacing_new_accounts and settings.links_real_accounts
    new = step(linked_at, now) if by_age and None in given else None
    by_default = UNLIMITED if new is None else new
    minute, day, chats = (
        default if each is None else each
        for each, default in zip(given, by_default[1:], strict=True)
    )
    since = None if new is None or linked_at is None else day_of(linked_at, now)
    return AccountPace(minute, day, chats, since)


def next_day(now: float) -> float:
    """The time at which the counts of a day begin anew: midnight, UTC."""
    return (now // DAY + 1) * DAY
