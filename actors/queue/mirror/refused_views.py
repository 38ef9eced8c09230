"""Lists finished messages of the Redis queue whose view the state store refuses for good; tries one again, or discards it.

Their records stay: the words of what was sent are there alone. They count in the connection's bytes, which
bounds them. Received items that the store refuses are in the session (`session/received/refused_rows.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from actors.queue.transitions import clock
from actors.redis import keys

if TYPE_CHECKING:
    from actors.queue.records import Record
    from actors.queue.transitions import Transitions


class RefusedView(NamedTuple):
    """A message whose view is refused, and its place in the list."""

    place: int
    record: Record


class RefusedViews:
    """A message is listed until the store takes its view, or a person discards its words. Raises `RedisAway`."""

    def __init__(self, transitions: Transitions) -> None:
        self._transitions = transitions

    async def page(self, connection: str, limit: int, behind: int = 0) -> list[RefusedView]:
        """Messages in the order in which the store refused them, behind the place `behind`."""
        placed = await self._transitions.placed(
            connection, keys.of(connection).refused, limit, behind
        )
        return [RefusedView(*each) for each in placed]

    async def retry(self, connection: str, message_id: str) -> bool:
        """Mirror the message again; False where it is not listed. Refused once more, it is listed once more."""
        return bool(
            await self._transitions.run(connection, "retry_refused", clock(None), message_id)
        )

    async def discard(self, connection: str, message_id: str) -> bool:
        """Forget what the message said, and let its record leave in a day; False where it is not listed."""
        return bool(
            await self._transitions.run(connection, "discard_refused", clock(None), message_id)
        )
