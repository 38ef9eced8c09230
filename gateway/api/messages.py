"""Serves API routes that show and list messages, from SQLite or Firestore and the queue, and cancel one still queued."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from actors.queue.outbound_queue import (
    NotCancellable,
    NotFound,
    RedisAway,
)
from actors.runtime import connection_ids
from actors.runtime.connection_ids import name_of
from actors.state.documents import MESSAGES, PAGE_BYTES, Order, StoreAway, Where
from actors.state.messages.applied_changes import is_early
from gateway.api.account.chat_names import chat_names
from gateway.connection_access import resolve
from gateway.http.endpoint import ApiRequest, Gives, Operation, written
from gateway.http.problems import Problem
from gateway.schemas import presenters, response_models
from gateway.schemas.request_models import ListMessages

if TYPE_CHECKING:
    from starlette.responses import Response

    from actors.queue.outbound_queue import Record
    from actors.state.documents import Document
    from gateway.backends import Backends

_ID = re.compile(
    rf"(?P<connection>{connection_ids.ID})\.(?P<rest>3EB0[0-9A-F]{{18}}|in\.[0-9a-f]{{24}})"
)


async def _get(call: ApiRequest[None, None]) -> Response:
    [document] = await _named(call.backends, [await document_of(call)])
    return written(presenters.stored(document))


async def document_of(call: ApiRequest[Any, Any]) -> Document:
    """The document of the path's message. Problem `unknown_message`, and those of its connection."""
    id, connection = named(call)  # noqa: A001 - the field's word
    if not await _may_read(call, connection):
        raise Problem("unknown_message")
    away: Exception | None = None
    if ".in." not in id:
        try:
            record = await call.backends.lanes.reader.get(id)
        except RedisAway as error:
            away = error
        else:
            if record is not None:
                return presenters.merged(record, await _document(call, record))
    document = await call.backends.documents.get(MESSAGES, id)
    mine = document is not None and document["connection"] == connection
    if document is not None and (mine or call.key.is_admin_of_all) and not is_early(document):
        return document
    if away is not None:
        raise away  # it may be there: not the time to say that it is not
    raise Problem("unknown_message")


async def _document(call: ApiRequest[Any, Any], record: Record) -> Document | None:
    """Return the document of an outgoing message: changes by others, and its words where they are `stored`.

    None while the store is away if the record has the words; else raises `StoreAway`.
    """
    try:
        return await call.backends.documents.get(MESSAGES, record.id)
    except StoreAway:
        if record.stored:
            raise
        return None


async def _cancel(call: ApiRequest[None, None]) -> Response:
    id, _ = named(call)  # noqa: A001 - the field's word
    if ".in." in id:
        raise Problem("not_cancellable", "Only an outgoing message can be cancelled.")
    try:
        record = await call.backends.lanes.cancel(id)
    except NotFound:
        raise Problem("unknown_message") from None
    except NotCancellable as error:
        raise Problem(
            "not_cancellable", f"The message is {error.status}.", message_status=error.status
        ) from None
    return written(presenters.queued(record))


async def _list_some(call: ApiRequest[None, ListMessages]) -> Response:
    query, backends = call.query, call.backends
    where = []
    if query.connection is not None:
        where.append(Where("connection", "==", await _connection_to_list(call, query.connection)))
    elif call.key.connections is not None:
        raise Problem(
            "connection_forbidden", "Name the connection; this key is for some connections."
        )
    if query.chat is not None:
        of = None if not where else str(where[0].value)
        where.append(Where("chat", "==", await chat_today(backends, of, query.chat)))
    for field in ("direction", "status"):
        value = getattr(query, field)
        if value is not None:
            where.append(Where(field, "==", value))
    page = await backends.documents.query(
        MESSAGES,
        where=where,
        order=[Order("at", descending=query.order == "newest")],
        limit=query.limit,
        most_bytes=PAGE_BYTES,
        after=query.after,
    )
    names = {each["connection"] for each in page.items}
    seen = {name for name in names if await _may_read(call, name)}
    found = await _named(backends, [each for each in page.items if each["connection"] in seen])
    return await asyncio.to_thread(_shown, found, page.next)


def _shown(documents: list[Document], following: str | None) -> Response:
    """The page as an answer; made in a thread, since each message may have the reactions of a whole group."""
    items = [presenters.stored(each) for each in documents]
    return written(response_models.Messages(items=items, next=following))


async def _named(backends: Backends, documents: list[Document]) -> list[Document]:
    """The messages, those without the name of their chat with the one that it has now, unless each read is billed."""
    chats = [(one["connection"], one["chat"]) for one in documents if not one.get("chat_name")]
    known = {} if backends.documents.billed else await chat_names(backends, chats)
    return [
        one
        if one.get("chat_name")
        else {**one, "chat_name": known.get((one["connection"], one["chat"]))}
        for one in documents
    ]


async def chat_today(backends: Backends, connection: str | None, chat: str) -> str:
    """The address under which the messages of the chat are stored; while Redis is away, the one given.

    Without a connection any of them may tell whose a LID is, for it is one person's everywhere.
    """
    if connection is None and not chat.endswith("@lid"):
        return chat
    connections = (
        [connection] if connection is not None else [each.id for each in backends.connections.all()]
    )
    with suppress(RedisAway):
        for name in connections:
            if (today := (await backends.lanes.reader.names(name, [chat]))[chat]) != chat:
                return today
    return chat


async def _connection_to_list(call: ApiRequest[None, ListMessages], named: str) -> str:
    """The id of the connection whose messages are listed. Problems as in `connection_access.resolve`.

    An admin may name the incarnation of one that was deleted.
    """
    if named != name_of(named) and call.key.is_admin_of_all:
        return named
    return (await resolve(call, named, fresh=True)).id


async def _may_read(call: ApiRequest[Any, Any], connection: str) -> bool:
    """Whether the caller may read messages of the connection: of a deleted one, an admin of all may."""
    if call.key.is_admin_of_all:
        return True
    return await call.backends.connections.exists(connection)


def named(call: ApiRequest[Any, Any]) -> tuple[str, str]:
    """The message id of the path and its connection, which the key must reach."""
    id = call.path["id"]  # noqa: A001 - the field's word
    match = _ID.fullmatch(id)
    if match is None:
        raise Problem("unknown_message")
    if not call.key.reaches(match["connection"]):
        raise Problem("connection_forbidden")
    return id, match["connection"]


_TAG = "messages"
OPERATIONS = (
    Operation(
        "GET",
        "/api/messages",
        "listMessages",
        "Messages that went out and came in",
        _TAG,
        _list_some,
        {200: Gives("A page of messages.", response_models.Messages)},
        "read",
        query=ListMessages,
        refuses=(
            "unknown_connection",
            "invalid_number",
            "unsupported_chat",
            "invalid_cursor",
            "store_away",
        ),
    ),
    Operation(
        "GET",
        "/api/messages/{id}",
        "getMessage",
        "One message",
        _TAG,
        _get,
        {200: Gives("The message.", response_models.Message)},
        "read",
        refuses=("unknown_message", "redis_away", "store_away"),
    ),
    Operation(
        "DELETE",
        "/api/messages/{id}",
        "cancelMessage",
        "Cancel a message that is not being sent yet",
        _TAG,
        _cancel,
        {200: Gives("Cancelled.", response_models.Message)},
        "send",
        refuses=("unknown_message", "not_cancellable", "redis_away"),
    ),
)
