"""Groups concurrent writes of the StateManager into batches for SQLite or Firestore; returns once they are stored."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

import structlog

from actors.metrics.counters import measures
from actors.runtime.backoff import DoublingPause
from actors.runtime.group_commit import GroupCommit
from actors.state.documents import BATCH_BYTES, WRITES_WITH_EVENTS, StoreAway, WriteRefused, weight

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Awaitable, Callable, Coroutine, Sequence

    from actors.runtime.actor_base import Shell
    from actors.state.documents import Write

log = structlog.get_logger()

BATCH_SECONDS = 8.0  # below the timeout of a connection, which then calls again
FIRST_STORE_PAUSE, LONGEST_STORE_PAUSE = (
    0.1,
    5.0,
)  # seconds between two tries while the store is away
MISTAKES = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)
"""Errors that come of what is to be written, and come again whenever it is."""

FENCE = 4096  # bytes that a fence takes at most

S = TypeVar("S", bound="Shell")
P = ParamSpec("P")
T = TypeVar("T")


def refusing(
    method: Callable[Concatenate[S, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[S, P], Coroutine[Any, Any, T]]:
    """A method of an actor that raises `WriteRefused` also where this service makes the mistake.

    The actor is started first: an error of that is none of the data.
    """

    @wraps(method)
    async def call(actor: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
        await actor.start()
        try:
            return await method(actor, *args, **kwargs)
        except WriteRefused:
            raise
        except MISTAKES as error:
            # Its kind only: a traceback could quote what was to be stored (G10).
            fields = {"method": method.__name__, "kind": type(error).__name__}
            log.error("call failed by a mistake", action="store_mistake", **fields)  # noqa: TRY400
            measures.count("teimoso_state_store_refusals", reason="mistake")
            raise WriteRefused("mistake") from None

    return call


def shares(writes: Sequence[Write]) -> list[Sequence[Write]]:
    """The writes in order, in shares for each of which a batch has room, with a fence before it."""
    found: list[Sequence[Write]] = []
    begin = size = 0
    for place, write in enumerate(writes):
        size += weight(write)
        if place - begin == WRITES_WITH_EVENTS - 1 or (
            place > begin and size > BATCH_BYTES - FENCE
        ):
            found.append(writes[begin:place])
            begin, size = place, weight(write)
    return [*found, writes[begin:]]


@dataclass(slots=True, eq=False)
class _WriteCall:
    writes: Sequence[Write]
    weights: Sequence[int]
    future: asyncio.Future[None]
    taken: int = 0  # writes that a batch has taken

    def share(self, count: int, size: int) -> tuple[int, int]:
        """The number of the writes left that fit into that room, and their bytes."""
        fitting = taken = 0
        for each in self.weights[self.taken : self.taken + count]:
            if taken + each > size:
                break
            taken += each
            fitting += 1
        return fitting, taken


@dataclass(frozen=True, slots=True)
class _Part:
    call: _WriteCall
    writes: Sequence[Write]
    last: bool


class Batcher:
    """`add` returns when the store has the writes, and only then (G5).

    While the store is away each call fails within `answer_seconds` and nothing is kept: callers have
    their writes themselves and repeat them. The store meanwhile is tried with growing pauses,
    whatever the number of callers. The writes of one call keep their order; so do calls, and all
    writes of a call that a batch has room for are in one. A batch has a bound of writes and one of
    bytes. One that the store refuses is halved until the calls are found whose writes it refuses: those
    alone fail.
    """

    def __init__(
        self,
        commit: Callable[[Sequence[Write]], Awaitable[None]],
        *,
        limit: int = WRITES_WITH_EVENTS,
        limit_bytes: int = BATCH_BYTES,
        answer_seconds: float = BATCH_SECONDS,
        first_pause: float = FIRST_STORE_PAUSE,
        longest_pause: float = LONGEST_STORE_PAUSE,
    ) -> None:
        self._commit = commit
        self._limit, self._limit_bytes = limit, limit_bytes
        self._answer_seconds = answer_seconds
        self._pause = DoublingPause(first_pause, longest_pause)
        self._calls = GroupCommit(self._take, self._commit_parts)
        self._open: set[asyncio.Future[None]] = set()
        self._closed = False
        self.away_since: float | None = None  # the loop's clock; None while the store answers
        self.written = 0
        measures.count("teimoso_state_store_failures", 0, operation="write")
        for reason in ("refused", "mistake"):
            measures.count("teimoso_state_store_refusals", 0, reason=reason)
        self.batches = 0

    @property
    def waiting(self) -> int:
        """Writes that no batch has taken yet."""
        return sum(len(call.writes) - call.taken for call in self._calls.waiting)

    async def add(self, writes: Sequence[Write]) -> None:
        """Raises `StoreAway` (some of the writes may have arrived), `WriteRefused`, or what a write raises."""
        if not writes:
            return
        if self._closed:
            raise StoreAway("the batcher is closed")
        future = asyncio.get_running_loop().create_future()
        call = _WriteCall(tuple(writes), tuple(map(weight, writes)), future)
        self._calls.put(call)
        self._open.add(call.future)
        try:
            async with asyncio.timeout(self._answer_seconds):
                await call.future
        except TimeoutError:
            raise StoreAway("no answer in time") from None
        finally:
            self._open.discard(call.future)

    async def close(self) -> None:
        """Commit what was asked, as far as the store answers in time; refuse what comes."""
        self._closed = True
        if self._open:
            await asyncio.wait(self._open, timeout=self._answer_seconds)
        for call in await self._calls.close():
            _settle(call, StoreAway("the batcher is closed"))

    async def _commit_parts(self, parts: list[_Part]) -> None:
        try:
            await self._write(parts)
        except StoreAway as away:
            self._report_away(parts, away)
            await asyncio.sleep(self._pause.next())
        except asyncio.CancelledError:
            self._fail(parts, StoreAway("the batcher is closed"))
            raise
        else:
            self._pause.reset()
            self._report_back()

    def _take(self, calls: deque[_WriteCall]) -> list[_Part]:
        """The writes of the next batch, oldest call first; a large call spans batches."""
        parts: list[_Part] = []
        room, bytes_left = self._limit, self._limit_bytes
        while calls and room:
            call = calls[0]
            if call.future.done():  # gave up waiting
                calls.popleft()
                continue
            left = len(call.writes) - call.taken
            count, size = call.share(room, bytes_left)
            if parts and (
                not count
                or (count < left and call.share(self._limit, self._limit_bytes)[0] == left)
            ):
                break  # whole, and so all or nothing, in the next one
            count = max(1, count)  # one that is too large by itself is the store's to refuse
            writes = call.writes[call.taken : call.taken + count]
            call.taken += count
            room -= count
            bytes_left -= size
            last = call.taken == len(call.writes)
            parts.append(_Part(call, writes, last))
            if last:
                calls.popleft()
        return parts

    async def _write(self, parts: list[_Part]) -> None:
        writes = [write for part in parts for write in part.writes]
        began = time.monotonic()
        try:
            await self._commit(writes)
        except StoreAway:
            measures.count("teimoso_state_store_failures", operation="write")
            raise
        except Exception as error:  # noqa: BLE001 - it is the caller's to see
            if len(parts) == 1:
                # A write that cannot be stored fails its own call, not those beside it.
                # Its kind only: a traceback could quote what was to be stored (G10).
                log.warning("write refused", action="store_refused", kind=type(error).__name__)
                if isinstance(error, WriteRefused):
                    measures.count("teimoso_state_store_refusals", reason="refused")
                self._fail(parts, error)
                return
            middle = len(parts) // 2
            for half in (parts[:middle], parts[middle:]):
                if waiting := [part for part in half if not part.call.future.done()]:
                    await self._write(waiting)
            return
        measures.observe("teimoso_state_store_seconds", time.monotonic() - began, operation="write")
        self.written += len(writes)
        self.batches += 1
        for part in parts:
            if part.last:
                _settle(part.call, None)

    def _fail(self, parts: list[_Part], error: Exception) -> None:
        for part in parts:
            _settle(part.call, error)

    def _report_away(self, parts: list[_Part], away: StoreAway) -> None:
        if self.away_since is None:
            self.away_since = asyncio.get_running_loop().time()
            log.warning("store away", action="store_away", reason=str(away))
        # A call that is already done has lost nothing: `_settle` leaves it as it is.
        self._fail(parts, away)

    def _report_back(self) -> None:
        if self.away_since is not None:
            seconds = round(asyncio.get_running_loop().time() - self.away_since, 3)
            self.away_since = None
            log.info("store back", action="store_back", seconds=seconds)


def _settle(call: _WriteCall, error: Exception | None) -> None:
    if call.future.done():
        return
    if error is None:
        call.future.set_result(None)
    else:
        call.future.set_exception(error)
