"""Runs background tasks of one login to WhatsApp: a failed task ends the login, and the login's end cancels all."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import structlog

from actors.connection.disconnects.causes import Cause, Kind
from actors.connection.protocol.request_errors import (
    ConnectionLost,
    RequestFailed,
    RequestTimeout,
)
from actors.connection.protocol.session_transactions import SessionRefusal, cause_of
from actors.metrics.mistakes import log_mistake

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from actors.connection.protocol.session_transactions import SessionLink

log = structlog.get_logger()


class BackgroundTasks:
    """Ends the link with a cause where a task fails, so that another one is opened (G8)."""

    def __init__(self, link: SessionLink) -> None:
        self._link = link
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self, name: str, work: Coroutine[object, object, None]) -> None:
        """Do this work; `name` begins the cause of its failure."""
        self.add(asyncio.ensure_future(self._guarded(name, work)))

    def add(self, task: asyncio.Task[Any]) -> None:
        """End this task, too, whose failures are its caller's."""
        self._tasks.add(task)
        task.add_done_callback(self._done)

    async def end(self) -> None:
        """End all of them."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # seen: of two that fail together, their caller may look at one alone

    async def _guarded(self, name: str, work: Coroutine[object, object, None]) -> None:
        try:
            await work
        except ConnectionLost as lost:
            self._link.fail(lost.cause)
        except SessionRefusal as refusal:
            self._link.fail(cause_of(refusal))
        except (RequestFailed, RequestTimeout) as error:
            log.warning("task failed", action=f"{name}.failed", error=type(error).__name__)
            self._link.fail(Cause(Kind.NETWORK, f"{name}_failed"))
        except Exception as error:  # noqa: BLE001 - reported as the cause of the end
            log_mistake("task failed", f"{name}.failed", error)
            self._link.fail(Cause(Kind.NETWORK, f"{name}_failed"))
