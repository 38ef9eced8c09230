"""Serves API routes that list, retry and discard received items that the state store refuses, kept in the session file.

The connection's process has them in its session file, so that it has to be served.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field
from starlette.responses import Response

from gateway.api.lookups import answered
from gateway.connection_access import resolve_path
from gateway.http.endpoint import Call, Gives, Operation, written
from gateway.http.problems import Problem
from gateway.http.response_base import Answer, Time, rfc3339
from gateway.schemas.request_models import ListQuery

if TYPE_CHECKING:
    from collections.abc import Mapping


class RefusedDocument(Answer):
    """A received item that is in the connection's session, and in no list of messages."""

    id: str = Field(examples=["4711"])
    kind: str = Field(
        description="`message` or `history` (a message), `status` or `file` (news of one), `app_state`"
        " (a contact, chat or label), `merge` (of two chats).",
        examples=["message"],
    )
    chat: str = Field(examples=["15550100002@s.whatsapp.net"])
    sender: str
    message_id: str
    type: str = Field(examples=["text"])
    at: Time | None = Field(description="WhatsApp's time.")
    refused_at: Time | None = Field(description="When it was set aside.")
    size: int = Field(description="Bytes of its words.", examples=[1_200_000])
    excerpt: str | None = Field(description="The first 200 characters of its text.")


class RefusedDocuments(Answer):
    """A page of them, in the order of their arrival."""

    items: list[RefusedDocument]
    next: str | None = Field(description="Give it as `after` for the next page; null at the end.")


async def show(call: Call[None, ListQuery]) -> Response:
    limit, after = call.query.limit, call.query.after or "0"
    if not _is_key(after):
        raise Problem("invalid_cursor")
    asked = {"limit": str(limit + 1), "after": after}
    items = (await _ask_owner(call, "refused_items", asked))["items"]
    page = items[:limit]
    return written(
        RefusedDocuments(
            items=[_shown(item) for item in page],
            next=str(page[-1]["key"]) if len(items) > limit else None,
        )
    )


async def retry(call: Call[None, None]) -> Response:
    await _decide(call, "retry_refused")
    return Response(status_code=204)


async def discard(call: Call[None, None]) -> Response:
    await _decide(call, "discard_refused")
    return Response(status_code=204)


async def _decide(call: Call[None, None], kind: str) -> None:
    item = call.path["document"]
    if not _is_key(item) or not (await _ask_owner(call, kind, {"item": item}))["there"]:
        raise Problem("unknown_document")


async def _ask_owner(call: Call[Any, Any], kind: str, args: Mapping[str, str]) -> dict[str, Any]:
    """The owner's answer; an open socket is not needed for it."""
    registered = await resolve_path(call, fresh=True)
    lease = await call.backends.leases.read(registered.id)
    if lease is None or lease.owner is None or not call.backends.liveness.of(registered.id, lease):
        raise Problem("connection_not_open", "Nobody serves the connection now.")
    told = await answered(call, registered, kind, args)
    if "error" in told:
        raise Problem("not_answered", "The session was not reached.", reason=told["error"])
    return told


def _shown(item: Mapping[str, Any]) -> RefusedDocument:
    fields = {name: value for name, value in item.items() if name != "key"}
    times = {name: rfc3339(item[name]) for name in ("at", "refused_at")}
    return RefusedDocument.model_validate({**fields, **times, "id": str(item["key"])})


def _is_key(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 19


_PATH = "/api/connections/{connection}/refused-documents"
_TAG = "connections"
_REFUSES = (
    "connection_not_open",
    "connection_busy",
    "not_answered",
    "redis_away",
    "store_away",
)
OPERATIONS = (
    Operation(
        "GET",
        _PATH,
        "listRefusedDocuments",
        "Received items that the state store refuses for good",
        _TAG,
        show,
        {200: Gives("A page of them.", RefusedDocuments)},
        "read",
        query=ListQuery,
        refuses=("invalid_cursor", *_REFUSES),
    ),
    Operation(
        "POST",
        f"{_PATH}/{{document}}/retry",
        "retryRefusedDocument",
        "Store it again, after what refused it has changed",
        _TAG,
        retry,
        {204: Gives("It is stored, or refused again, within seconds.")},
        "admin",
        refuses=("unknown_document", *_REFUSES),
    ),
    Operation(
        "DELETE",
        f"{_PATH}/{{document}}",
        "discardRefusedDocument",
        "Forget it for good",
        _TAG,
        discard,
        {204: Gives("It is gone, and does not come again.")},
        "admin",
        refuses=("unknown_document", *_REFUSES),
    ),
)
