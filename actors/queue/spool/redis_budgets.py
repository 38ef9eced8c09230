"""Checks that a spooled send has room in Redis, by what its memory was when it was read last (pure).

The gateway refuses sends by it before they are put into the spool, and moves no more of the spool to the queue.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from actors.runtime.limits.limits import Limit


@dataclass(frozen=True, slots=True)
class RedisBudgets:
    """Bytes that Redis has in use in all (`used`) and for the messages of each connection (`taken`).

    `each` limits those of one connection, `total` all of them; a size of 0 is no limit, or one that nobody knows.
    Of the total, half is reserved for the connections in `parts`, as while Redis serves.
    """

    each: Limit
    total: Limit
    parts: int
    used: int = 0
    taken: Mapping[str, int] = field(default_factory=dict)

    def check(self, connection: str, spooled: Mapping[str, int], size: int) -> None:
        """Raise `LimitReached` where `size` bytes more of the connection have no room behind those `spooled` by each."""
        own = self.taken.get(connection, 0) + spooled.get(connection, 0) + size
        if 0 < self.each.size < own:
            raise self.each.reached("connection", needed=own)
        half, whole = self.total.size // 2, self.used + sum(spooled.values())
        if half and (whole >= self.total.size or (whole >= half and own > half // self.parts)):
            raise self.total.reached("instance")
