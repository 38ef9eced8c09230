"""Serves `POST /api/messages`: validates a send, puts the message into the queue, awaits the outcome if asked."""

from __future__ import annotations

import hashlib
import json
import re
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from actors.messages.content import file_of
from actors.queue.outbound_queue import (
    ConnectionDeleted,
    IdempotencyConflict,
    RedisAway,
    Send,
    mint,
)
from actors.queue.records import api_id
from actors.runtime.limits.durations import DAY
from actors.state.documents import StoreAway
from actors.state.messages.file_owners import owned, owning
from gateway.acceptance import attachments, message_targets, outcome_wait
from gateway.acceptance.page_description import link_in
from gateway.connection_access import resolve
from gateway.http.endpoint import ApiRequest, Gives, Json, Operation
from gateway.http.header_fields import every
from gateway.http.problems import Problem
from gateway.schemas import presenters, response_models
from gateway.schemas.content.outbound_messages import (
    ChangeMessage,
    FileMessage,
    NewMessage,
    TextMessage,
)
from gateway.schemas.request_models import WaitParameters

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from starlette.responses import Response

    from actors.messages.content import Content, File
    from actors.queue.outbound_queue import Accepted
    from actors.state.connections import Connection as Registered
    from gateway.acceptance.attachments import Called
    from gateway.backends import Backends
    from gateway.http.response_base import Answer
    from gateway.schemas.content.outbound_messages import StandaloneMessage

_KEY = re.compile(r"[\x21-\x7e]([\x20-\x7e]{0,253}[\x21-\x7e])?", re.ASCII)
_AGAIN = (
    "Redis does not answer; the message may be accepted all the same. Repeat it with the same"
    " Idempotency-Key, and it is sent once."
)
_ONCE_MORE = (
    "Redis does not answer; the message may be accepted all the same, and repeated it may be sent"
    " twice. With an Idempotency-Key from the first request on, it would be sent once."
)


async def _send(call: ApiRequest[NewMessage, WaitParameters]) -> Response:
    """Answers when the message is in the queue, on disk (G1); the state store is not on this path."""
    wanted, key = call.body.root, idempotency_key(call)
    began = time.time()
    connection = await resolve(call, wanted.connection)
    # By its id from here on: the name may be another connection's before this comes to its end.
    wanted = wanted.model_copy(update={"connection": connection.id})
    if not call.backends.settings.message_queue_enabled:
        outcome_wait.require_now(wanted)
    taken = await taken_in(call, connection, began, key, _accept(call, wanted, key))
    # Ids and statuses have nothing that JSON would escape.
    error = "null" if taken.error is None else json.dumps(taken.error)
    content = (
        f'{{"id":"{taken.id}","message_id":"{taken.message_id}","status":"{taken.status}",'
        f'"error":{error}}}'
    )
    return Json(content.encode(), taken.http_status, taken.headers)


@dataclass(frozen=True, slots=True)
class Taken:
    """The message that was accepted, as far as an answer says it; `error` is of its last attempt."""

    id: str
    message_id: str
    status: str
    error: str | None
    headers: dict[str, str]

    @property
    def http_status(self) -> int:
        """200 once WhatsApp has the message, 202 until then."""
        return 200 if self.status in presenters.FINAL_STATUSES else 202


async def taken_in(
    call: ApiRequest[Any, WaitParameters],
    connection: Registered,
    began: float,
    key: str | None,
    accepting: Awaitable[Accepted],
) -> Taken:
    """Wait for the acceptance, and for more where the caller does.

    Raises `Problem`, also for a message that ended without being sent while the caller waited.

    `began` is when the request did, in seconds since the epoch; `key` its Idempotency-Key.
    """
    backends, queued = call.backends, call.backends.settings.message_queue_enabled
    try:
        accepted = await accepting
    except IdempotencyConflict:
        raise Problem("idempotency_conflict") from None
    except ConnectionDeleted:
        raise await _deleted(backends, connection, began) from None
    except RedisAway:
        if not queued:
            raise outcome_wait.lost() from None
        # The script may have run before the answer was lost: only a key makes a repeat harmless.
        raise Problem("redis_away", _AGAIN if key else _ONCE_MORE, uncertain=True) from None
    record = accepted.record
    headers = {"Location": f"/api/messages/{record.id}"}
    if accepted.replayed:
        headers["Idempotency-Replayed"] = "true"
    else:
        backends.metrics.accepted(connection.id)
    if queued and not call.query.wait:
        first = presenters.first_status(record)
        return Taken(record.id, record.message_id, first, None, headers)
    wait = outcome_wait.reached if queued else outcome_wait.settled
    record = await wait(backends, record, call.query.wait)
    outcome_wait.require_not_ended(record, headers)
    return Taken(record.id, record.message_id, record.status, record.error, headers)


async def _deleted(backends: Backends, connection: Registered, began: float) -> Problem:
    """The problem of a send that Redis refused: 404 where the deletion came before the request `began`.

    It is not sent again to a connection that took over the name: the caller may have meant the former.
    """
    at = await backends.leases.deleted_at(connection.id)
    successor = await backends.connections.renewed(connection.name)
    if successor is None and at is not None and at < began:
        return Problem("unknown_connection")
    statement = (
        None if successor is None else "Another connection has this id now. Send again to use it."
    )
    return Problem("connection_deleted", statement)


async def _accept(
    call: ApiRequest[NewMessage, WaitParameters],
    wanted: StandaloneMessage | ChangeMessage,
    key: str | None,
) -> Accepted:
    """Raises as the acceptor, and `Problem` for the message to which it refers."""
    send, backends = _without_target(wanted), call.backends
    if _is_plain(wanted) and link_in(send.text) is None:
        return await backends.accepting.accept(send, key)
    # Before anything is looked up: the first answer holds, whatever became of its message since.
    if key is not None and (first := await backends.accepting.first(send, key)) is not None:
        return first
    if isinstance(wanted, ChangeMessage):
        content, priority = await message_targets.change_content(backends, wanted)
    else:
        called = None
        if isinstance(wanted, FileMessage) and wanted.media.sha256 is not None:
            called = await owned_file(call, send.connection, wanted.media.sha256)
        content, priority = (
            await message_targets.standalone_content(backends, wanted, called),
            send.priority,
        )
    full = Send.of(
        send.connection,
        send.chat,
        content,
        priority=priority,
        send_at=send.send_at,
        asked=send.asked,
    )
    return await accept_content(call, full, content, key)


async def accept_content(
    call: ApiRequest[Any, Any], send: Send, content: Content, key: str | None
) -> Accepted:
    """Accept a send of this content, with its file where it brings one. Raises as the acceptor; `unknown_media`."""
    file = file_of(content)
    if file is None:
        return await call.backends.accepting.accept(send, key)
    accepted = await _accept_with_file(call.backends, send, file.sha256, key)
    await _note_owner(call, send.connection, file)
    return accepted


async def owned_file(call: ApiRequest[Any, Any], connection: str, sha256: str) -> Called | None:
    """The type and name that the caller's connections have for the file; None for a key for all.

    Problem `unknown_media` where none of them has it, as where there is no such file: nothing shows
    whether another connection has it.
    """
    if call.key.connections is None:
        return None
    others = sorted(call.key.connections - {connection})
    found = await owned(call.backends.documents, sha256, (connection, *others))
    if found is None:
        raise Problem("unknown_media", attachments.NOT_KEPT)
    return attachments.Called(found.get("mime"), found.get("name"))


async def _note_owner(call: ApiRequest[Any, Any], connection: str, file: File) -> None:
    """Its connection may send the file again for as long as it does; noted once a day."""
    if call.key.connections is None:
        return
    now, documents = time.time(), call.backends.documents
    with suppress(StoreAway):  # it is accepted all the same
        owner = await owned(documents, file.sha256, [connection])
        if owner is None or owner["at"] < now - DAY:
            await documents.batch(
                [owning(file.sha256, connection, now, mime=file.mime, name=file.name)]
            )


async def _accept_with_file(
    backends: Backends, send: Send, sha256: str, key: str | None
) -> Accepted:
    """Accept a message whose file stays as long as it may be sent. Problem `unknown_media`."""
    message_id = mint()
    # Before it is accepted: an accepted send has its file.
    id = api_id(send.connection, message_id)  # noqa: A001 - the field's word
    if not await backends.files.use(sha256, id):
        raise Problem("unknown_media")
    await backends.files.secure(sha256)
    return await backends.accepting.accept(send, key, message_id=message_id)


def _without_target(wanted: StandaloneMessage | ChangeMessage) -> Send:
    """The request before its target is known; enough to distinguish it from other sends."""
    if isinstance(wanted, ChangeMessage):
        fingerprint = wanted.model_dump_json()
        return Send(wanted.connection, wanted.to, "", wanted.kind.type, asked=fingerprint)
    fingerprint = "" if _is_plain(wanted) else wanted.model_dump_json()
    if isinstance(wanted, FileMessage):
        # A URL may be a secret, so it stays nowhere.
        fingerprint = hashlib.sha256(fingerprint.encode()).hexdigest()
    return Send(
        connection=wanted.connection,
        chat=wanted.to,
        text=wanted.text if isinstance(wanted, TextMessage) else "",
        type=wanted.kind.type,
        priority=wanted.priority,
        send_at=None if wanted.send_at is None else wanted.send_at.timestamp(),
        asked=fingerprint,
    )


def _is_plain(wanted: StandaloneMessage | ChangeMessage) -> bool:
    """Whether it is a text of which the text says all that its caller gave."""
    return (
        isinstance(wanted, TextMessage)
        and (wanted.reply_to, wanted.mentions) == (None, None)
        and wanted.link_preview
    )


def idempotency_key(call: ApiRequest[Any, Any]) -> str | None:
    """The key of the request, unlike any of another API key. Problem `invalid_idempotency_key`."""
    given = every(call.fields, b"idempotency-key")
    if not given:
        return None
    if len(given) > 1 or not _KEY.fullmatch(given[0]):
        raise Problem(
            "invalid_idempotency_key",
            "Give one Idempotency-Key of 1 to 255 printable characters, as in order-4711.",
        )
    # Two programs with keys of their own may count their orders alike.
    return f"{call.key.id}:{given[0]}"


KEY = {
    "Idempotency-Key": (
        (
            "The same key and body give the first answer again, until 24 hours after the message's end. Each API key has"
            " its own. Without one, a request that got 503 or no answer may be accepted all the"
            " same (`uncertain`), and its repetition is another message."
        ),
        f"^{_KEY.pattern}$",
    )
}
"""The header of requests that a queue takes in."""

TAKEN = {
    "Location": "Where the message can be followed.",
    "Idempotency-Replayed": "`true` when the key was used before.",
}
"""The headers of their answers."""

REFUSES = (
    "unknown_connection",
    "connection_deleted",
    "redis_away",
    "redis_full",
    "queue_full",
    "store_full",
    "invalid_idempotency_key",
    "idempotency_conflict",
    "store_away",
    "not_sent",
    "message_dead",
    "message_cancelled",
)


def send_answers(model: type[Answer]) -> dict[int, Gives]:
    """The answers of an operation that takes a message in, by HTTP status."""
    return {
        200: Gives("With `wait`: WhatsApp has it.", model, headers=TAKEN),
        202: Gives(
            "On disk, and sent as soon as can be. With `wait`, it was not sent in that time:"
            " `status` is the one that it reached, `error` the reason of its last attempt.",
            model,
            headers=TAKEN,
        ),
    }


OPERATIONS = (
    Operation(
        "POST",
        "/api/messages",
        "sendMessage",
        "Send a message",
        "messages",
        _send,
        send_answers(response_models.Accepted),
        "send",
        body=NewMessage,
        query=WaitParameters,
        headers=KEY,
        refuses=(
            *REFUSES,
            "invalid_number",
            "unsupported_chat",
            "unsupported_type",
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
            "conversion_unavailable",
            "media_refused",
            "media_unreachable",
            "media_unavailable",
            "disk_reserve",
            "upload_budget_reached",
            "vault_away",
            "queue_disabled",
        ),
    ),
)
