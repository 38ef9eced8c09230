"""Deletes expired rows of an open session in small steps, for as long as it is open, and gives free pages to the disk."""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from actors.connection.session.file import SessionUnavailable
from actors.connection.session.session import SessionDamaged, StaleEpoch

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.connection.session.session import Session
    from actors.connection.session.session_part import Expired

ROUND_SECONDS: Final = 3600.0
"""Seconds between two rounds, at most."""

ROWS_READ: Final = 5_000
ROWS_TOGETHER: Final = 50
"""Expired rows that are looked up at once, and those deleted in one step: messages wait for a step, as does the event loop."""

REST: Final = 3.0
"""Times the length of a step for which nothing is deleted after it."""

SHRINK: Final = "PRAGMA incremental_vacuum(64)"
SPARE_PAGES: Final = 1_024
"""Gives back some free pages; and how many a file may keep for the next rows."""

INCREMENTAL: Final = 2
"""SQLite's number of the mode in which a file can give back pages one by one."""


class SessionPruner:
    """Prunes one session until it is closed. A kill at any instruction leaves some rows more, for the next owner.

    Rows are looked up in a thread. Each step is a transaction of its own, between which messages have their turn.
    """

    def __init__(
        self, session: Session, now: Callable[[], float], on_refusal: Callable[[Exception], None]
    ) -> None:
        """Rows expire by `now`, which may block. `on_refusal` is called with the error by which the session refuses for good."""
        self._session, self._now, self._on_refusal = session, now, on_refusal
        self._closing = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Prune from now on; idempotent."""
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Stop after the step at hand; to be called before the session is closed."""
        self._closing.set()
        if self._task is not None:
            await self._task

    async def _run(self) -> None:
        while not self._closing.is_set():
            try:
                await self.round()
            except SessionUnavailable:
                pass  # a full disk takes no deletion either
            except (StaleEpoch, SessionDamaged) as refusal:
                self._on_refusal(refusal)
                return
            await self._wait(ROUND_SECONDS * random.uniform(0.5, 1))  # noqa: S311 - spreads those of many

    async def round(self) -> None:
        """Delete what has expired by now. Raises what a transaction of the session raises."""
        now = await asyncio.to_thread(self._now)
        await self._step(self._session.account_link.note_time)
        for expired in self._session.expired(now):
            await self._prune(expired)
        while self._may_shrink():
            await self._step(lambda: self._session.rows(SHRINK))

    async def _prune(self, expired: Expired) -> None:
        session, (table, where, parameters) = self._session, expired
        columns = session.rows("SELECT name FROM pragma_table_info(?) WHERE pk", (table,))
        key = ", ".join(name for (name,) in columns)
        marks = ", ".join("?" * len(columns))
        look_up = f"SELECT {key} FROM {table} WHERE {where} LIMIT {ROWS_READ}"  # noqa: S608 - names of ours
        # A row may have changed since it was looked up.
        delete = f"DELETE FROM {table} WHERE ({key}) = ({marks}) AND ({where})"  # noqa: S608
        while rows := await asyncio.to_thread(session.look_up, look_up, parameters):
            for start in range(0, len(rows), ROWS_TOGETHER):
                some = [(*row, *parameters) for row in rows[start : start + ROWS_TOGETHER]]
                await self._step(lambda some=some: session.write_many(delete, some))  # type: ignore[misc]
                if self._closing.is_set():
                    return

    def _may_shrink(self) -> bool:
        """Whether much of the file is free, and it is one that can end earlier."""
        mode, pages, free = (
            self._session.row(f"PRAGMA {name}")[0]  # type: ignore[index]
            for name in ("auto_vacuum", "page_count", "freelist_count")
        )
        much = free > max(SPARE_PAGES, pages // 4)
        return much and mode == INCREMENTAL and not self._closing.is_set()

    async def _step(self, change: Callable[[], object]) -> None:
        began = time.monotonic()
        async with self._session.transaction():
            change()
        await self._wait(REST * (time.monotonic() - began))

    async def _wait(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._closing.wait()
