"""Ends serving in order: finishes sends, drains the inbox, closes the socket, backs up, releases the lease in Redis."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from actors.connection.disconnects import consequences
from actors.metrics.mistakes import log_mistake
from actors.runtime.actor_base import end_tasks

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    from actors.connection.backup.backup_factory import SessionCopies
    from actors.connection.disconnects.consequences import ServingEnd
    from actors.connection.engine import Engine
    from actors.connection.owner.inbox_drain import InboxDrain
    from actors.connection.owner.reporter import Reporter
    from actors.connection.owner.sender import Sender
    from actors.connection.owner.timeouts import Timeouts


class Shutdown:
    """Ends the parts of a connection in the order in which nothing is lost.

    That is `settle` (sends, credentials, inbox), `close` (loops, socket), `release` (backup, lease). Each step
    is bounded, and the next ones follow even where one breaks.
    """

    def __init__(
        self,
        connection: str,
        *,
        engine: Engine,
        sender: Sender,
        drain: InboxDrain,
        reporter: Reporter,
        copies: SessionCopies | None,
        pace: Timeouts,
    ) -> None:
        self._connection, self._pace = connection, pace
        self._engine, self._sender, self._drain = engine, sender, drain
        self._reporter, self._copies = reporter, copies

    async def settle(self, ending: ServingEnd) -> None:
        """Finish what is in flight, forget the device where it was unlinked, store what arrived."""
        pace = self._pace
        await self._sender.stop(pace.grace if ending.reason == "stopped" else pace.short_grace)
        if ending.reason == "logged_out":
            await self._attempt("logout", self._engine.logout(), pace.close)
        drained = self._drain.finish() if ending.reason == "logged_out" else self._drain.once()
        await self._attempt("drain", drained, pace.last_drain)

    async def close(self, loops: Sequence[asyncio.Task[None]], running: asyncio.Task[None]) -> None:
        """End the loops first, so that none meets a closed session; then the socket, which ends `running`."""
        await end_tasks(loops, self._pace.short_grace)
        await self._attempt("close", self._engine.close(), self._pace.close)
        await asyncio.wait([running], timeout=self._pace.short_grace)
        await end_tasks([running], self._pace.short_grace)
        await self._sender.stop(self._pace.short_grace)

    async def release(self, ending: ServingEnd) -> None:
        """Back the session up, which nobody writes into any more, and release the lease."""
        if self._copies is not None:
            await self._attempt("backup", self._copies.finish(), self._pace.last_copy)
        state, cause = ending.reason, ending.cause
        if state in consequences.RECONNECT_CAUSES:
            state, cause = "reconnecting", state
        await self._reporter.finish(state, cause, within=self._pace.release)

    async def _attempt(self, action: str, step: Awaitable[object], within: float) -> None:
        try:
            async with asyncio.timeout(within):
                await step
        except Exception as error:  # noqa: BLE001 - whatever breaks, the lease goes back
            log_mistake("step failed", action, error, connection=self._connection)
