"""Joins two lanes (chats) of the Redis queue whose addresses, LID and phone number, turn out to be one person's.

A person has a LID and a phone number, and WhatsApp may answer for a number by another one. Once the owner of
a connection learns that, it reports it to Redis, and the two lanes become one in the order of acceptance (G4).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from actors.queue.records import own_id
from actors.queue.transitions import clock
from actors.redis import keys
from actors.redis.client import reach
from actors.redis.leases.leases import LeaseLost

if TYPE_CHECKING:
    from collections.abc import Collection

    from actors.queue.claims import Claims
    from actors.queue.transitions import Transitions


class Renamed(NamedTuple):
    """The progress of a join of two lanes.

    ``more``: a share of the old lane moved, call again. ``busy``: a message of either is in flight, call again
    once it has landed. Until ``done`` nothing else of either is claimed. `written_to`: messages were
    accepted for the old address before anything was known of it; `joined`: the old one had a lane.
    """

    progress: Literal["done", "more", "busy"]
    written_to: bool
    joined: bool


class LaneJoins:
    """Joins lanes of a connection, a pair at a time. Raises `RedisAway`."""

    def __init__(self, transitions: Transitions, claims: Claims) -> None:
        self._transitions = transitions
        self._redis = transitions.redis
        self._claims = claims

    async def rename(
        self,
        connection: str,
        epoch: int,
        old: str,
        new: str,
        *,
        put_down: Collection[str] = (),
        now: float | None = None,
    ) -> Renamed:
        """The chat `old` is called `new` from now on; where they are equal it is its own again.

        Messages that are accepted for `old` afterwards, fall due, or are sent again go into the lane of `new`.
        Waiting messages keep their order, by priority and acceptance. A backoff or a limit of either holds
        the joined lane until the later of two ends. `put_down` are ids that were claimed to follow one of
        either: they go back, unattempted. Safe to repeat, also half way; a join that is not done outlives the
        epoch (`unfinished`). Raises `LeaseLost`.
        """
        drop = self._claims.releasing(connection, epoch, list(put_down))
        ids = [own_id(connection, each) for each in put_down]
        progress, *answer = await self._transitions.run(
            connection, "rename", clock(now), epoch, old, new, *ids
        )
        if progress == "lost":
            raise LeaseLost(connection)
        drop()
        return Renamed(progress, *(bool(int(each)) for each in answer))

    async def unfinished(self, connection: str) -> dict[str, str]:
        """The joins that an earlier owner began: the new chat by the old one. Nothing of either is claimed meanwhile."""
        async with reach():
            joins: Any = await self._redis.hgetall(keys.of(connection).joining)
        return {old: join.partition(" ")[0] for old, join in joins.items()}

    async def noted_renames(self, connection: str) -> int:
        """The number that `note_renamed` noted last; 0 where Redis knows of none."""
        async with reach():
            number: Any = await self._redis.hget(keys.of(connection).counters, "renamed")
        return int(number or 0)

    async def note_renamed(
        self, connection: str, epoch: int, number: int, written_to: Collection[str] = ()
    ) -> None:
        """Note that Redis has all names of the session up to this number.

        The caller has on disk that messages were accepted for `written_to` (`Renamed`). Raises `LeaseLost`.
        """
        answer = await self._transitions.run(
            connection, "note_renamed", clock(None), epoch, number, *written_to
        )
        if answer == "lost":
            raise LeaseLost(connection)
