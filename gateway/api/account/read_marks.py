"""Serves API routes that queue read marks for a message or a chat in Redis; the connection's process sends the marks."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from actors.messages.content import ReadMark, Target
from actors.queue.outbound_queue import Send
from actors.state.documents import MESSAGES
from actors.state.messages.applied_changes import is_early
from gateway.api import sends
from gateway.api.lookups import canonical
from gateway.api.messages import named
from gateway.connection_access import resolve, resolve_path
from gateway.http.endpoint import ApiRequest, Operation, written
from gateway.http.problems import Problem
from gateway.schemas import addresses, response_models
from gateway.schemas.content.outbound_messages import ReadUntil
from gateway.schemas.request_models import WaitParameters

if TYPE_CHECKING:
    from starlette.responses import Response

    from actors.messages.content import Notice
    from actors.state.connections import Connection as Registered


async def _one(call: ApiRequest[None, WaitParameters]) -> Response:
    """The message has to be stored, for only its document has its author."""
    key = sends.idempotency_key(call)
    id, named_connection = named(call)  # noqa: A001 - the field's word
    if ".in." not in id:
        raise Problem("not_incoming")
    connection = await resolve(call, named_connection)
    document = await call.backends.documents.get(MESSAGES, id)
    if document is None or document["connection"] != connection.id or is_early(document):
        raise Problem("unknown_message")
    if document["direction"] != "in":
        raise Problem("not_incoming")
    target = Target(document["message_id"], document["sender"])
    return await taken_in(call, connection, document["chat"], ReadMark((target,)), id, key=key)


async def _chat(call: ApiRequest[ReadUntil, WaitParameters]) -> Response:
    """All that the connection got up to a time; its owner chooses the messages."""
    key = sends.idempotency_key(call)
    connection = await resolve_path(call)
    chat, until = canonical(call.path["chat"], addresses.chat), call.body.until
    mark = ReadMark(arrived=time.time()) if until is None else ReadMark(until=until.timestamp())
    return await taken_in(call, connection, chat, mark, call.body.model_dump_json(), key=key)


async def taken_in(
    call: ApiRequest[Any, WaitParameters],
    connection: Registered,
    chat: str,
    notice: Notice,
    fingerprint: str,
    *,
    key: str | None,
) -> Response:
    """Accept what the account does in a chat; `fingerprint` is the request of the caller. Answers and raises as `sends.taken_in`."""
    began = time.time()
    send = Send.of(connection.id, chat, notice, asked=fingerprint)
    accepting = call.backends.accepting.accept(send, key)
    taken = await sends.taken_in(call, connection, began, key, accepting)
    answer = response_models.Marked.model_validate(
        {"id": taken.id, "status": taken.status, "error": taken.error}
    )
    return written(answer, taken.http_status, **taken.headers)


GIVES = sends.send_answers(response_models.Marked)
OPERATIONS = (
    Operation(
        "POST",
        "/api/messages/{id}/read",
        "markMessageRead",
        "Mark a message that arrived as read",
        "messages",
        _one,
        GIVES,
        "send",
        query=WaitParameters,
        headers=sends.KEY,
        refuses=(*sends.REFUSES, "unknown_message", "not_incoming"),
    ),
    Operation(
        "POST",
        "/api/chats/{connection}/{chat}/read",
        "markChatRead",
        "Mark what arrived in a chat as read",
        "messages",
        _chat,
        GIVES,
        "send",
        body=ReadUntil,
        body_optional=True,
        query=WaitParameters,
        headers=sends.KEY,
        refuses=(*sends.REFUSES, "invalid_number", "unsupported_chat"),
    ),
)
