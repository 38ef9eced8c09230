"""Serves the stream by which a page's script learns that something of a connection changed, and asks for the page anew."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

from gateway.connection_access import resolve
from gateway.console.login import revoked_sessions
from gateway.console.page_app import PageMethod
from gateway.http.endpoint import ApiRequest, outages_as_problems
from gateway.webhooks.stream import EventFilter, Stream, newest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.responses import Response

    from actors.state.events.outbox import NumberedEvent
    from gateway.console.console_request import ConsoleRequest

ADDRESS: Final = "/console/hints"


class Hints(Stream):
    """An event's type and nothing else of it; the stream ends with the session of the person who reads it."""

    def __init__(self, view: ConsoleRequest, connection: str, cursor: int) -> None:
        super().__init__(view.backends, EventFilter(view.key, connection, None), cursor)
        self._data, self._session = view.backends.settings.data, view.session

    async def is_allowed(self) -> bool:
        if self._session.ends_at <= time.time():
            return False
        ended = await asyncio.to_thread(revoked_sessions.is_ended, self._data, self._session)
        return not ended and await super().is_allowed()

    async def text(self, event: NumberedEvent) -> bytes:
        return b"id: %d\ndata: %b\n\n" % (event.seq, event.event.type.encode())


async def read(view: ConsoleRequest) -> Response:
    """The stream of a connection. Problems as `GET /api/events`, whose readers it is one of."""
    view.require("read")
    call = ApiRequest(view.backends, view.request, view.key, None, None)
    with outages_as_problems:
        connection = await resolve(call, view.query.get("connection", ""))
        return Hints(view, connection.id, await newest(view.backends, view.key))


ROUTES: Mapping[str, Mapping[str, PageMethod]] = {ADDRESS: {"GET": PageMethod(read)}}
