"""What an owner has in hand: the jobs it was given, and outcomes that Redis may not have heard."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Outcome:
    """A transition to tell Redis again, with the time and the arguments of the first telling."""

    transition: str
    now: float
    attempt: int | str
    args: tuple[object, ...]


@dataclass(slots=True)
class Hands:
    """The hands of one epoch of one connection.

    `tries` maps a message id to the attempt that was handed out. Redis hands out again what is in
    flight and not listed here: the answer of that claim was lost. `turn` keeps two claims of one
    connection from taking each other's jobs for lost ones.
    """

    epoch: int
    tries: dict[str, int] = field(default_factory=dict)
    owed: dict[str, Outcome] = field(default_factory=dict)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    def attempt(self, message_id: str) -> int | str:
        """Which attempt an outcome is about; "" (whichever is in flight) if not handed out here."""
        return self.tries.get(message_id, "")

    def owe(self, message_id: str, outcome: Outcome) -> None:
        """Redis may not have heard the outcome."""
        self.owed[message_id] = outcome

    def settled(self, message_id: str, outcome: Outcome) -> None:
        """Redis knows the outcome; a newer attempt of the message that is in hand stays there."""
        self.owed.pop(message_id, None)
        if self.tries.get(message_id) == outcome.attempt:
            del self.tries[message_id]
