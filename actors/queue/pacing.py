"""Computes pauses between messages of a connection and of a chat, and its most messages a day, for a Redis script (pure).

Accounts that send like machines get banned. `scripts/pacing.lua` keeps what was spent, so that the limits
hold across the deaths of owners.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from actors.runtime.limits.account_pace import AccountPace, pace

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.config.settings import Settings


@dataclass(frozen=True, slots=True)
class Pacing:
    """`interval` lies between any two messages of a connection.

    `gap` and up to `jitter` more lie between two of one chat, from claim to claim. `per_day` leave in a day (UTC).
    0 is no limit.
    """

    interval: float = 0.0
    gap: float = 0.0
    jitter: float = 0.0
    per_day: int = 0

    @classmethod
    def of(cls, settings: Settings, account: AccountPace | None = None) -> Self:
        """The pacing that the settings ask for, of an account whose age is unknown where none is given."""
        account = account or pace(settings, None, 0.0)
        minute = account.messages_per_minute
        return cls(
            60.0 / minute if minute else 0.0,
            settings.pacing_chat_gap / 1000,
            settings.pacing_chat_jitter / 1000,
            account.messages_per_day,
        )

    def __bool__(self) -> bool:
        """Whether anything is limited."""
        return self.interval > 0 or self.longest > 0 or self.per_day > 0

    @property
    def longest(self) -> float:
        """No gap is longer."""
        return self.gap + self.jitter

    def rests(self, count: int, dice: Callable[[], float]) -> list[float]:
        """The gaps behind `count` messages, none where there is no limit. `dice` gives 0 … 1."""
        if self.longest == 0:
            return []
        return [self.gap + self.jitter * dice() for _ in range(count)]
