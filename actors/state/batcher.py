"""Concurrent writes to the store, coalesced: what arrives while one batch commits is the next."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from actors.metrics.counters import measures
from actors.state.documents import TELLING_LIMIT, StoreAway

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from actors.state.documents import Write

log = structlog.get_logger()

ANSWER_SECONDS = 8.0  # below the patience of a connection, which then asks again
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0  # seconds between two tries while the store is away


@dataclass(slots=True, eq=False)
class _Call:
    writes: Sequence[Write]
    future: asyncio.Future[None]
    taken: int = 0  # writes that a batch has taken


@dataclass(frozen=True, slots=True)
class _Part:
    call: _Call
    writes: Sequence[Write]
    last: bool


class Batcher:
    """`add` returns when the store has the writes, and only then (G5).

    While the store is away each call fails within `answer_seconds` and nothing is kept: callers have
    their writes themselves and repeat them. The store meanwhile is tried with growing pauses,
    whatever the number of callers. The writes of one call keep their order; so do calls, and all
    writes of a call that a batch has room for are in one. A call that no store would take
    (`ValueError`) fails alone.
    """

    def __init__(
        self,
        commit: Callable[[Sequence[Write]], Awaitable[None]],
        *,
        limit: int = TELLING_LIMIT,
        answer_seconds: float = ANSWER_SECONDS,
        first_pause: float = FIRST_PAUSE,
        longest_pause: float = LONGEST_PAUSE,
    ) -> None:
        self._commit = commit
        self._limit = limit
        self._answer_seconds = answer_seconds
        self._first_pause = first_pause
        self._longest_pause = longest_pause
        self._calls: deque[_Call] = deque()
        self._open: set[asyncio.Future[None]] = set()
        self._arrived = asyncio.Event()
        self._working: asyncio.Task[None] | None = None
        self._closed = False
        self.away_since: float | None = None  # the loop's clock; None while the store answers
        self.written = 0
        measures.count("teimoso_state_store_failures", 0, operation="write")
        self.batches = 0

    @property
    def waiting(self) -> int:
        """Writes that no batch has taken yet."""
        return sum(len(call.writes) - call.taken for call in self._calls)

    async def add(self, writes: Sequence[Write]) -> None:
        """Raises `StoreAway` (some of the writes may have arrived) or `ValueError`."""
        if not writes:
            return
        if self._closed:
            raise StoreAway("the batcher is closed")
        if self._working is None:
            self._working = asyncio.create_task(self._work())
        call = _Call(tuple(writes), asyncio.get_running_loop().create_future())
        self._calls.append(call)
        self._open.add(call.future)
        self._arrived.set()
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
        if self._working is None:
            return
        if self._open:
            await asyncio.wait(self._open, timeout=self._answer_seconds)
        self._working.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._working
        for call in self._calls:
            _settle(call, StoreAway("the batcher is closed"))

    async def _work(self) -> None:
        pause = self._first_pause
        while True:
            await self._arrived.wait()
            parts = self._take()
            if not parts:
                self._arrived.clear()
                continue
            try:
                await self._write(parts)
            except StoreAway as away:
                self._tell_away(parts, away)
                await asyncio.sleep(pause)
                pause = min(pause * 2, self._longest_pause)
            except asyncio.CancelledError:
                self._fail(parts, StoreAway("the batcher is closed"))
                raise
            else:
                pause = self._first_pause
                self._tell_back()

    def _take(self) -> list[_Part]:
        """The writes of the next batch, oldest call first; a large call spans batches."""
        parts: list[_Part] = []
        room = self._limit
        while self._calls and room:
            call = self._calls[0]
            if call.future.done():  # gave up waiting
                self._calls.popleft()
                continue
            left = len(call.writes) - call.taken
            if parts and room < left <= self._limit:
                break  # whole, and so all or nothing, in the next one
            writes = call.writes[call.taken : call.taken + room]
            call.taken += len(writes)
            room -= len(writes)
            last = call.taken == len(call.writes)
            parts.append(_Part(call, writes, last))
            if last:
                self._calls.popleft()
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
                log.warning("not storable", action="store_refused", kind=type(error).__name__)
                self._fail(parts, error)
                return
            for part in parts:
                if not part.call.future.done():
                    await self._write([part])
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

    def _tell_away(self, parts: list[_Part], away: StoreAway) -> None:
        if self.away_since is None:
            self.away_since = asyncio.get_running_loop().time()
            log.warning("store away", action="store_away", reason=str(away))
        # A call that is already done has lost nothing: `_settle` leaves it as it is.
        self._fail(parts, away)

    def _tell_back(self) -> None:
        if self.away_since is not None:
            seconds = round(asyncio.get_running_loop().time() - self.away_since, 3)
            self.away_since = None
            log.info("store back", action="store_back", seconds=seconds)


def _settle(call: _Call, error: Exception | None) -> None:
    if call.future.done():
        return
    if error is None:
        call.future.set_result(None)
    else:
        call.future.set_exception(error)
