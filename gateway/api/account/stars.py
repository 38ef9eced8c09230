"""Serves API routes that queue the star of a message, or its removal; the connection's process sends it as app state."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.messages.content import CHANGE_TYPES, NOTICES, Star
from gateway.acceptance import message_targets
from gateway.api import messages, sends
from gateway.api.account.read_marks import GIVES, taken_in
from gateway.connection_access import resolve
from gateway.http.endpoint import ApiRequest, Operation
from gateway.http.problems import Problem
from gateway.schemas.request_models import WaitParameters

if TYPE_CHECKING:
    from starlette.responses import Response


async def _star(call: ApiRequest[None, WaitParameters]) -> Response:
    return await _change(call, starred=True)


async def _unstar(call: ApiRequest[None, WaitParameters]) -> Response:
    return await _change(call, starred=False)


async def _change(call: ApiRequest[None, WaitParameters], *, starred: bool) -> Response:
    """Queue the change behind what its chat has in the queue; the message has to be readable for that."""
    key = sends.idempotency_key(call)
    document = await messages.document_of(call)
    id, named = messages.named(call)  # noqa: A001 - the field's word
    connection = await resolve(call, named)
    if document["type"] in NOTICES | CHANGE_TYPES:
        raise Problem("unknown_message")
    found = message_targets.of_document(document, api=".in." not in id)
    message_targets.require_there(found)
    fingerprint = f"{'star' if starred else 'unstar'} {id}"
    notice = Star(found.target, starred)
    return await taken_in(call, connection, found.chat, notice, fingerprint, key=key)


_REFUSES = (
    *sends.REFUSES,
    "unknown_message",
    "target_deleted",
    "target_not_sent",
)
OPERATIONS = (
    Operation(
        "PUT",
        "/api/messages/{id}/star",
        "starMessage",
        "Star a message on all devices of the account",
        "messages",
        _star,
        GIVES,
        "send",
        query=WaitParameters,
        headers=sends.KEY,
        refuses=_REFUSES,
    ),
    Operation(
        "DELETE",
        "/api/messages/{id}/star",
        "unstarMessage",
        "Take the star from a message",
        "messages",
        _unstar,
        GIVES,
        "send",
        query=WaitParameters,
        headers=sends.KEY,
        refuses=_REFUSES,
    ),
)
