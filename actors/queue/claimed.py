"""Tracks in the owner's memory the messages claimed from Redis, and outcomes that Redis has not confirmed yet."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from actors.redis.client import RedisAway

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Outcome:
    """A transition to report to Redis again, with the time and the arguments of the first report."""

    transition: str
    now: float
    attempt: int | str
    args: tuple[object, ...]


@dataclass(slots=True)
class ClaimedMessages:
    """The claims of one epoch of one connection.

    `tries` maps a message id to the attempt that was handed out. Redis hands out again what is in
    flight and not listed here: the answer of that claim was lost. `turn` keeps two claims of one
    connection from taking each other's jobs for lost ones.
    """

    epoch: int
    tries: dict[str, int] = field(default_factory=dict)
    owed: dict[str, Outcome] = field(default_factory=dict)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    def attempt(self, message_id: str) -> int | str:
        """Return the attempt that an outcome belongs to; "" (the one in flight) if not handed out here."""
        return self.tries.get(message_id, "")

    def releasing(self, message_ids: Sequence[str]) -> Callable[[], None]:
        """Return a function that releases the attempts claimed now for these messages, and none that come later."""
        held = {name: self.tries[name] for name in message_ids if name in self.tries}

        def release() -> None:
            for name, attempt in held.items():
                if self.tries.get(name) == attempt:
                    del self.tries[name]

        return release

    def proofs(self, sent: Mapping[str, float], now: float) -> dict[str, Outcome]:
        """Proofs that WhatsApp acknowledged messages: their ids and its times."""
        found = {}
        for message_id, at in sent.items():
            attempt = self.attempt(message_id)
            args = (self.epoch, message_id, attempt, repr(at))
            found[message_id] = Outcome("complete", now, attempt, args)
        return found

    @contextmanager
    def reporting(self, outcomes: Mapping[str, Outcome]) -> Iterator[None]:
        """Report outcomes to Redis inside: afterwards it has them, or they are owed.

        A newer attempt of a message that is claimed stays.
        """
        try:
            yield
        except (RedisAway, asyncio.CancelledError):
            self.owed.update(outcomes)
            raise
        for message_id, outcome in outcomes.items():
            self.owed.pop(message_id, None)
            if self.tries.get(message_id) == outcome.attempt:
                del self.tries[message_id]
