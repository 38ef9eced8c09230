"""Has the engine query all groups, and cache subjects in the session file, once a message comes from an unnamed group."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

import structlog

from actors.connection.engine import SendError
from actors.metrics.mistakes import log_mistake

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from actors.connection.engine import Engine, InboxMessage

log = structlog.get_logger()

GROUP_REQUEST_PAUSE_SECONDS: Final = 60.0
"""Seconds between two requests, of whatever groups."""

REFETCH_PERIOD: Final = 86_400.0
"""Seconds after which a group is asked for again that was not among those listed."""

MAX_REQUESTED_GROUPS: Final = 10_000
"""Groups that are remembered as asked for."""


class GroupNames:
    """Messages wait for no answer: those that were stored before it have no subject of their group.

    One request brings the subjects of all groups of the account, and the engine keeps them up to date by
    WhatsApp's notifications. One that fails is repeated with the next message.
    """

    def __init__(self, connection: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock`: seconds that only rise."""
        self._connection, self._clock = connection, clock
        self._requested_at: dict[str, float] = {}
        self._wanted: set[str] = set()
        self._look = asyncio.Event()

    def look(self, messages: Iterable[InboxMessage]) -> None:
        """Ask for the groups of these messages whose subject is not known."""
        now = self._clock()
        unnamed = {one.chat for one in messages if one.chat_name is None}
        for chat in unnamed:
            requested_at = self._requested_at.get(chat)
            if chat.endswith("@g.us") and (
                requested_at is None or now - requested_at >= REFETCH_PERIOD
            ):
                self._wanted.add(chat)
                self._look.set()

    async def run(self, engine: Engine) -> None:
        """Ask whenever `look` found something, at most once in `GROUP_REQUEST_PAUSE_SECONDS`."""
        while True:
            await self._look.wait()
            self._look.clear()
            wanted, self._wanted = self._wanted, set()
            try:
                await engine.administration.groups.all()
            except SendError as error:
                log.info(
                    "groups not listed",
                    action="groups",
                    connection=self._connection,
                    error=type(error).__name__,
                )
            except Exception as error:  # noqa: BLE001 - no name is a reason to end what serves
                log_mistake("groups not listed", "groups", error, connection=self._connection)
            else:
                if len(self._requested_at) + len(wanted) > MAX_REQUESTED_GROUPS:
                    self._requested_at.clear()
                self._requested_at |= dict.fromkeys(wanted, self._clock())
            await asyncio.sleep(GROUP_REQUEST_PAUSE_SECONDS)
