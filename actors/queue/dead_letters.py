"""Lists, redrives and deletes dead letters of the Redis queue, by id or by filter.

A letter is kept for `DEAD_LETTER_RETENTION_DAYS`; nothing that waits to be sent is ever forgotten.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from actors.queue.queue_errors import NotDead
from actors.queue.transitions import clock
from actors.redis import keys
from actors.redis.client import reach
from actors.runtime.limits.durations import DAY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.queue.records import Record
    from actors.queue.transitions import Transitions

LETTERS_PER_SCRIPT = 100
"""Letters that one script looks at."""
REDRIVE_LETTERS = 5_000
"""Letters that one redrive reads; it returns where the next one continues."""
ONLY_BY_NAME = frozenset({"reach_out_refused"})
"""Codes of letters that no redrive of many means: each repetition can prolong a lock of the account.

A caller that names the code, or the letters, takes that upon itself.
"""


@dataclass(frozen=True, slots=True)
class Which:
    """A filter of dead letters: those that match every given field."""

    chat: str | None = field(default=None, repr=False)
    code: str | None = None
    died_after: float | None = None
    died_before: float | None = None

    @property
    def left_alone(self) -> frozenset[str]:
        """Codes of letters that are not meant, unless they are named one by one."""
        return ONLY_BY_NAME if self.code is None else frozenset()


EVERY_LETTER = Which()


class DeadLetter(NamedTuple):
    """A dead letter, and its place in the list: another death of it has another place."""

    place: int
    record: Record


@dataclass(frozen=True, slots=True)
class Redriven:
    """Counts of letters that were queued again, and of letters that were looked at.

    `behind` is where to go on, None when all were seen.
    """

    count: int
    looked: int
    behind: int | None


class DeadLetters:
    """Lists, redrives and deletes dead letters, one connection after the other. Raises `RedisAway`."""

    def __init__(self, transitions: Transitions) -> None:
        self._transitions = transitions
        self._redis = transitions.redis

    async def page(self, connection: str, limit: int, behind: int = 0) -> list[DeadLetter]:
        """Dead letters, oldest first, behind the place `behind`, whatever became of the one there."""
        placed = await self._transitions.placed(connection, keys.of(connection).dead, limit, behind)
        return [DeadLetter(*each) for each in placed]

    async def retry(self, id: str, now: float | None = None) -> Record:  # noqa: A002
        """A dead letter joins the tail of its lane, with all attempts before it.

        Raises `NotDead` and `NotFound`.
        """
        return await self._transitions.decide(id, "retry", now, NotDead)

    async def redrive(
        self,
        connection: str,
        which: Which = EVERY_LETTER,
        *,
        limit: int | None = None,
        behind: int = 0,
        most: int | None = REDRIVE_LETTERS,
        now: float | None = None,
    ) -> Redriven:
        """Retry the letters that are meant, oldest first, `limit` at most; each one is atomic.

        Looks at `most` of those behind `behind`. Letters from now on are left out, or this might never end.
        """
        now = clock(now)
        count, looked = 0, 0
        async with reach():
            last: Any = await self._redis.zrange(keys.of(connection).dead, -1, -1, withscores=True)
        while last and (limit is None or count < limit) and (most is None or looked < most):
            async with reach():
                page: Any = await self._redis.zrangebyscore(
                    keys.of(connection).dead,
                    f"({behind}",
                    last[0][1],
                    start=0,
                    num=LETTERS_PER_SCRIPT,
                    withscores=True,
                )
            if not page:
                break
            left = len(page) if limit is None else limit - count
            found, seen = await self._redrive(
                connection, which, left, now, [id_ for id_, _ in page]
            )
            count += found
            looked += seen
            behind = int(page[seen - 1][1])
        else:
            more = bool(last) and behind < last[0][1]
            return Redriven(count, looked, behind if more else None)
        return Redriven(count, looked, None)

    async def redrive_these(
        self,
        connection: str,
        message_ids: Sequence[str],
        which: Which = EVERY_LETTER,
        *,
        limit: int | None = None,
        now: float | None = None,
    ) -> int:
        """Retry those of these messages that are dead letters and meant, whatever they died of.

        Returns how many.
        """
        now, count = clock(now), 0
        for begin in range(0, len(message_ids), LETTERS_PER_SCRIPT):
            left = len(message_ids) if limit is None else limit - count
            if left <= 0:
                break
            batch = message_ids[begin : begin + LETTERS_PER_SCRIPT]
            found, _ = await self._redrive(connection, which, left, now, batch, named=True)
            count += found
        return count

    async def retry_all(self, connection: str, now: float | None = None) -> int:
        """Retry what is dead now, but for `ONLY_BY_NAME`; return how many."""
        return (await self.redrive(connection, most=None, now=now)).count

    async def prune(self, connection: str, keep_days: float, now: float) -> int:
        """Forget letters that died longer before `now` (`actors.runtime.deletion_time`), in bounded steps; how many.

        They leave the list at once. Their records have `expired_at`, for the mirror, and
        go when those of other finished messages do.
        """
        total = 0
        while pruned := await self._transitions.run(
            connection, "prune", now, now - keep_days * DAY, LETTERS_PER_SCRIPT
        ):
            total += pruned
        return total

    async def _redrive(
        self,
        connection: str,
        which: Which,
        limit: int,
        now: float,
        ids: Sequence[str],
        *,
        named: bool = False,
    ) -> tuple[int, int]:
        left_alone = () if named else sorted(which.left_alone)
        count, looked = await self._transitions.run(
            connection,
            "redrive",
            now,
            limit,
            which.chat or "",
            which.code or "",
            "" if which.died_after is None else repr(which.died_after),
            "" if which.died_before is None else repr(which.died_before),
            " ".join(("", *left_alone, "")),
            *ids,
        )
        return int(count), int(looked)
