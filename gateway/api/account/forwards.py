"""Serves the API route that forwards a stored message: queues its content in Redis for another chat of the connection."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from actors.messages.content import Media
from actors.queue.outbound_queue import Send
from gateway.acceptance import attachments, outcome_wait
from gateway.acceptance.forwarded_content import forwarded
from gateway.api import media, messages, sends
from gateway.connection_access import resolve
from gateway.http.endpoint import ApiRequest, Operation, written
from gateway.http.problems import Problem
from gateway.schemas import presenters, response_models
from gateway.schemas.content.outbound_messages import NewForward
from gateway.schemas.request_models import WaitParameters

if TYPE_CHECKING:
    from starlette.responses import Response

    from actors.queue.outbound_queue import Accepted
    from actors.state.connections import Connection as Registered
    from actors.state.documents import Document


async def _forward(call: ApiRequest[NewForward, WaitParameters]) -> Response:
    """A message of its own, on disk when this answers (G1); the original has to be readable for that."""
    key, began = sends.idempotency_key(call), time.time()
    document = await messages.document_of(call)
    _, named = messages.named(call)
    connection = await resolve(call, named)
    requested = call.body.connection
    if requested is not None and (await resolve(call, requested)).id != connection.id:
        raise Problem("target_elsewhere", "The message is of another connection.")
    if not call.backends.settings.message_queue_enabled:
        outcome_wait.require_now(call.body)
    accepting = _accept(call, connection, document, key)
    taken = await sends.taken_in(call, connection, began, key, accepting)
    answer = response_models.Accepted.model_validate(
        {
            "id": taken.id,
            "message_id": taken.message_id,
            "status": taken.status,
            "error": taken.error,
        }
    )
    return written(answer, taken.http_status, **taken.headers)


async def _accept(
    call: ApiRequest[NewForward, WaitParameters],
    connection: Registered,
    document: Document,
    key: str | None,
) -> Accepted:
    body = call.body
    fields: dict[str, Any] = {
        "priority": body.priority,
        "send_at": None if body.send_at is None else body.send_at.timestamp(),
        "asked": json.dumps(["forward", document["id"], body.model_dump_json()]),
    }
    send = Send(connection.id, body.to, "", document["type"], **fields)
    # The first answer holds, whatever became of the original since.
    if key is not None and (first := await call.backends.accepting.first(send, key)) is not None:
        return first
    content = forwarded(document)
    if isinstance(content, Media):
        brought = presenters.stored(document).media
        assert brought is not None
        await media.file_of(call.backends, brought, connection.id)
        attachments.fits(content.type, content.file.size)
        if not content.forwarding_score:  # what somebody else sent goes as it is
            await attachments.require_playable(call.backends, connection.id, content)
    return await sends.accept_content(
        call, Send.of(connection.id, body.to, content, **fields), content, key
    )


OPERATIONS = (
    Operation(
        "POST",
        "/api/messages/{id}/forward",
        "forwardMessage",
        "Forward a message to another chat",
        "messages",
        _forward,
        sends.send_answers(response_models.Accepted),
        "send",
        body=NewForward,
        query=WaitParameters,
        headers=sends.KEY,
        refuses=(
            *sends.REFUSES,
            "invalid_number",
            "unsupported_chat",
            "unknown_message",
            "unknown_media",
            "not_forwardable",
            "target_elsewhere",
            "target_deleted",
            "target_not_sent",
            "media_pending",
            "media_failed",
            "media_gone",
            "media_empty",
            "media_too_large",
            "conversion_unavailable",
            "media_unavailable",
            "disk_reserve",
            "vault_away",
            "queue_disabled",
        ),
    ),
)
