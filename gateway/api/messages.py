"""Messages: accept to send, follow, cancel, and read what went out and came in."""

from __future__ import annotations

import hashlib
import re
import time
from typing import TYPE_CHECKING

from actors.messages.content import file_of
from actors.queue.lanes import (
    IdempotencyConflict,
    NotCancellable,
    NotFound,
    RedisAway,
    Send,
    mint,
)
from actors.queue.records import api_id, derive
from actors.queue.spool.file import SpoolUnavailable
from actors.redis.keys import CONNECTION_ID
from actors.state.documents import MESSAGES, Order, StoreAway, Where
from actors.state.messages.changes import is_early
from actors.state.messages.received import connection_of
from gateway.acceptance import engine_limits, message_targets, outcome
from gateway.http import auth
from gateway.http.endpoint import Call, Gives, Json, Operation, written
from gateway.http.header_fields import every
from gateway.http.problems import Problem
from gateway.schemas import presenters, responses
from gateway.schemas.outbound_messages import Bringing, Changing, NewMessage, NewText
from gateway.schemas.requests import ListMessages, Wait

if TYPE_CHECKING:
    from starlette.responses import Response

    from actors.queue.lanes import Accepted
    from actors.state.documents import Document
    from gateway.backends import Backends
    from gateway.schemas.outbound_messages import Standing

_KEY = re.compile(r"[\x21-\x7e]([\x20-\x7e]{0,253}[\x21-\x7e])?", re.ASCII)
_ID = re.compile(
    rf"(?P<connection>{CONNECTION_ID})\.(?P<rest>3EB0[0-9A-F]{{18}}|in\.[0-9a-f]{{24}})"
)
_AGAIN = (
    "Neither Redis nor the disk takes it; the message may be accepted all the same."
    " Repeat it with the same Idempotency-Key, and it is sent once."
)
_ONCE_MORE = (
    "Neither Redis nor the disk takes it; the message may be accepted all the same, and repeated it"
    " may be sent twice. With an Idempotency-Key from the first request on, it would be sent once."
)
_ON_DISK = "The message waits on disk for the queue, which can cancel it then; try again soon."


async def send(call: Call[NewMessage, Wait]) -> Response:
    """Answers when the message is on disk (G1); the state store is not on this path.

    While Redis is away the disk is this host's, and the message follows what its chat has there.
    """
    wanted, backends = call.body.root, call.backends
    auth.require_connection(call.key, wanted.connection)
    key = _idempotency_key(call)
    connection = await backends.known.find(wanted.connection)
    if connection is None:
        raise Problem("unknown_connection")
    engine_limits.require_able(connection.engine, wanted.type, wanted.to)
    queued = backends.settings.message_queue_enabled
    if not queued:
        outcome.require_now(wanted)
    try:
        accepted = await _accept(backends, wanted, key)
    except IdempotencyConflict:
        raise Problem("idempotency_conflict") from None
    except RedisAway:
        if queued:
            raise
        raise outcome.lost() from None
    except SpoolUnavailable:
        # The script may have run before the answer was lost: only a key makes a repeat harmless.
        raise Problem("spool_unavailable", _AGAIN if key else _ONCE_MORE, uncertain=True) from None
    record = accepted.record
    headers = {"Location": f"/api/messages/{record.id}"}
    if accepted.replayed:
        headers["Idempotency-Replayed"] = "true"
    else:
        backends.metrics.accepted(record.connection)
    if not queued:
        status = (await outcome.settled(backends, record, call.query.wait)).status
    elif call.query.wait:
        status = (await outcome.reached(backends, record, call.query.wait)).status
    else:
        status = presenters.first_status(record)
    # None of it has anything that JSON would escape.
    content = f'{{"id":"{record.id}","message_id":"{record.message_id}","status":"{status}"}}'
    return Json(content.encode(), 202, headers)


async def _accept(backends: Backends, wanted: Standing | Changing, key: str | None) -> Accepted:
    """Raises `IdempotencyConflict`, `SpoolUnavailable`, and `Problem` for what it speaks of."""
    send = _asked(wanted)
    if isinstance(wanted, NewText) and wanted.reply_to is None:
        return await backends.accepting.accept(send, key)
    # Before anything is looked up: the first answer holds, whatever became of its message since.
    if key is not None and (first := await backends.accepting.first(send, key)) is not None:
        return first
    if isinstance(wanted, Changing):
        content, priority = await message_targets.changing(backends, wanted)
    else:
        content, priority = await message_targets.standing(backends, wanted), send.priority
    full = Send.of(
        send.connection,
        send.chat,
        content,
        priority=priority,
        send_at=send.send_at,
        asked=send.asked,
    )
    file = file_of(content)
    if file is not None:
        return await _accept_bringing(backends, full, file.sha256, key)
    return await backends.accepting.accept(full, key)


async def _accept_bringing(
    backends: Backends, send: Send, sha256: str, key: str | None
) -> Accepted:
    """Accept a message whose file stays as long as it may be sent. Problem `unknown_media`."""
    now = time.time()
    message_id = mint() if key is None else derive(send, key, now)
    # Before it is accepted: what is accepted has its file.
    id = api_id(send.connection, message_id)  # noqa: A001 - the field's word
    if not await backends.files.use(sha256, id):
        raise Problem("unknown_media")
    await backends.files.secure(sha256)
    accepted = await backends.accepting.accept(send, key, message_id=message_id, now=now)
    if accepted.record.id != id and not accepted.replayed:
        await backends.files.use(sha256, accepted.record.id)
    return accepted


def _asked(wanted: Standing | Changing) -> Send:
    """What is asked for, before what it speaks of is known; enough to tell it from other sends."""
    if isinstance(wanted, Changing):
        return Send(wanted.connection, wanted.to, "", wanted.type, asked=wanted.model_dump_json())
    plain = isinstance(wanted, NewText) and wanted.reply_to is None
    asked = "" if plain else wanted.model_dump_json()
    if isinstance(wanted, Bringing):
        # A URL may let in whoever has it, so it stays nowhere.
        asked = hashlib.sha256(asked.encode()).hexdigest()
    return Send(
        connection=wanted.connection,
        chat=wanted.to,
        text=wanted.text if isinstance(wanted, NewText) else "",
        type=wanted.type,
        priority=wanted.priority,
        send_at=None if wanted.send_at is None else wanted.send_at.timestamp(),
        asked=asked,
    )


async def get(call: Call[None, None]) -> Response:
    return written(await message_of(call))


async def message_of(call: Call[None, None]) -> responses.Message:
    """The message of the path. Problem `unknown_message`, and those of its connection."""
    id, connection = _named(call)  # noqa: A001 - the field's word
    away: Exception | None = None
    if ".in." not in id:
        try:
            record = await call.backends.accepting.get(id)
        except (RedisAway, SpoolUnavailable) as error:
            away = error
        else:
            if record is not None:
                return presenters.queued(record, await _changes(call, id))
    document = await call.backends.documents.get(MESSAGES, id)
    if document is not None and connection_of(document) == connection and not is_early(document):
        return presenters.stored(document)
    if away is not None:
        raise away  # it may be there: not the time to say that it is not
    raise Problem("unknown_message")


async def _changes(call: Call[None, None], id: str) -> Document | None:  # noqa: A002
    """What others did to an outgoing message; while the store is away, that nothing is known."""
    try:
        document = await call.backends.documents.get(MESSAGES, id)
    except StoreAway:
        return None
    return None if document is None else document.get("changes")


async def cancel(call: Call[None, None]) -> Response:
    id, _ = _named(call)  # noqa: A001 - the field's word
    if ".in." in id:
        raise Problem("not_cancellable", "Only an outgoing message can be cancelled.")
    # The spool first: what the drain moves meanwhile is in the queue. It only tells why an id is
    # not there, so that its disk being away keeps nobody from cancelling what is.
    waiting, missed = None, None
    try:
        waiting = await call.backends.accepting.waiting(id)
    except SpoolUnavailable as error:
        missed = error
    try:
        record = await call.backends.lanes.cancel(id)
    except NotFound:
        if missed is not None:
            raise missed from None
        if waiting is not None:
            raise Problem("redis_away", _ON_DISK) from None
        raise Problem("unknown_message") from None
    except NotCancellable as error:
        raise Problem(
            "not_cancellable", f"The message is {error.status}.", message_status=error.status
        ) from None
    return written(presenters.queued(record))


async def list_some(call: Call[None, ListMessages]) -> Response:
    query, backends = call.query, call.backends
    where = []
    if query.connection is not None:
        auth.require_connection(call.key, query.connection)
        if await backends.known.find(query.connection) is None:
            raise Problem("unknown_connection")
        where.append(Where("connection", "==", query.connection))
    elif call.key.connections is not None:
        raise Problem("connection_forbidden", "Name the connection: this key is for some only.")
    for field in ("chat", "direction", "status"):
        value = getattr(query, field)
        if value is not None:
            where.append(Where(field, "==", value))
    page = await backends.documents.query(
        MESSAGES,
        where=where,
        order=[Order("at", descending=query.order == "newest")],
        limit=query.limit,
        after=query.after,
    )
    return written(
        responses.Messages(items=[presenters.stored(each) for each in page.items], next=page.next)
    )


def _named(call: Call[None, None]) -> tuple[str, str]:
    """The message id of the path and its connection, which the key must reach."""
    id = call.path["id"]  # noqa: A001 - the field's word
    match = _ID.fullmatch(id)
    if match is None:
        raise Problem("unknown_message")
    auth.require_connection(call.key, match["connection"])
    return id, match["connection"]


def _idempotency_key(call: Call[NewMessage, Wait]) -> str | None:
    given = every(call.fields, b"idempotency-key")
    if not given:
        return None
    if len(given) > 1 or not _KEY.fullmatch(given[0]):
        raise Problem(
            "invalid_idempotency_key", "Give one Idempotency-Key of 1 to 255 printable characters."
        )
    # Two programs with keys of their own may count their orders alike.
    return f"{call.key.id}:{given[0]}"


_TAG = "messages"
OPERATIONS = (
    Operation(
        "POST",
        "/api/messages",
        "sendMessage",
        "Send a message",
        _TAG,
        send,
        {
            202: Gives(
                "On disk, and sent as soon as can be. With `wait`, the status that was reached.",
                responses.Accepted,
                headers={
                    "Location": "Where the message can be followed.",
                    "Idempotency-Replayed": "`true` when the key was used before.",
                },
            )
        },
        "send",
        body=NewMessage,
        query=Wait,
        headers={
            "Idempotency-Key": (
                (
                    "The same key and body give the first answer again, for 24 hours. Each API key has"
                    " its own. Without one, a request that got 503 or no answer may be accepted all the"
                    " same (`uncertain`), and its repetition is another message."
                ),
                f"^{_KEY.pattern}$",
            )
        },
        refuses=(
            "unknown_connection",
            "invalid_number",
            "unsupported_chat",
            "unsupported_type",
            "unsupported_by_engine",
            "text_empty",
            "text_too_long",
            "control_character",
            "unknown_target",
            "target_elsewhere",
            "target_deleted",
            "target_not_sent",
            "not_own_message",
            "not_editable",
            "not_a_poll",
            "poll_unreadable",
            "unknown_option",
            "too_many_options",
            "edit_too_late",
            "delete_too_late",
            "unknown_media",
            "media_empty",
            "media_too_large",
            "media_type_mismatch",
            "media_refused",
            "media_unreachable",
            "media_unavailable",
            "disk_full",
            "media_limit_reached",
            "vault_away",
            "redis_away",
            "invalid_idempotency_key",
            "idempotency_conflict",
            "spool_unavailable",
            "store_away",
            "queue_disabled",
            "not_sent",
        ),
    ),
    Operation(
        "GET",
        "/api/messages",
        "listMessages",
        "Messages that went out and came in",
        _TAG,
        list_some,
        {200: Gives("A page of messages.", responses.Messages)},
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
        get,
        {200: Gives("The message.", responses.Message)},
        "read",
        refuses=("unknown_message", "redis_away", "spool_unavailable", "store_away"),
    ),
    Operation(
        "DELETE",
        "/api/messages/{id}",
        "cancelMessage",
        "Cancel a message that is not being sent yet",
        _TAG,
        cancel,
        {200: Gives("Cancelled.", responses.Message)},
        "send",
        refuses=("unknown_message", "not_cancellable", "redis_away", "spool_unavailable"),
    ),
)
