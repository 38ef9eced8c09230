"""Serves API routes that have the connection's process resend a message, resync app state or reject a call."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from actors.state.documents import MESSAGES
from actors.state.messages.applied_changes import is_early
from gateway.api.lookups import REFUSES, request_owner
from gateway.api.messages import named
from gateway.connection_access import resolve, resolve_path
from gateway.http.endpoint import ApiRequest, Gives, Operation
from gateway.http.problems import Problem

if TYPE_CHECKING:
    from actors.state.connections import Connection as Registered

_CALL = re.compile(r"[0-9A-Za-z_.-]{1,64}", re.ASCII)


async def _resend(call: ApiRequest[None, None]) -> Response:
    id, named_connection = named(call)  # noqa: A001 - the field's word
    connection = await resolve(call, named_connection)
    document = await call.backends.documents.get(MESSAGES, id)
    if document is None or document["connection"] != connection.id or is_early(document):
        raise Problem("unknown_message")
    if document["direction"] != "in":
        raise Problem("not_incoming")
    args = {name: document[name] for name in ("chat", "sender", "message_id")}
    await request_owner(call, connection, "request_resend", args)
    return Response(status_code=204)


async def _sync(call: ApiRequest[None, None]) -> Response:
    connection = await resolve_path(call)
    return await _request(call, connection, "sync_app_state", {})


async def _reject(call: ApiRequest[None, None]) -> Response:
    connection = await resolve_path(call)
    if _CALL.fullmatch(call.path["call"]) is None:
        raise Problem("unknown_call")
    return await _request(call, connection, "reject_call", {"call": call.path["call"]})


async def _request(
    call: ApiRequest[Any, None], registered: Registered, kind: str, args: dict[str, str]
) -> Response:
    await request_owner(call, registered, kind, args)
    return Response(status_code=204)


OPERATIONS = (
    Operation(
        "POST",
        "/api/messages/{id}/request-resend",
        "requestResend",
        "Ask the account's phone for a message that came without its content",
        "messages",
        _resend,
        {204: Gives("Asked; what comes takes the placeholder's place.")},
        "send",
        refuses=(*REFUSES, "unknown_message", "not_incoming", "unknown_connection", "store_away"),
    ),
    Operation(
        "POST",
        "/api/connections/{connection}/app-state",
        "syncAppState",
        "Ask WhatsApp for the account's state anew: names, mutes, pins, labels",
        "connections",
        _sync,
        {204: Gives("Asked.")},
        "admin",
        refuses=REFUSES,
    ),
    Operation(
        "POST",
        "/api/connections/{connection}/calls/{call}/reject",
        "rejectCall",
        "Refuse a call that rings",
        "connections",
        _reject,
        {204: Gives("Refused.")},
        "send",
        refuses=(*REFUSES, "unknown_call"),
    ),
)
