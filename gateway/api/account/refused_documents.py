"""Serves API routes that list, retry and discard what the state store refuses: items of a session file, messages in Redis.

Received items need a served connection, sent messages Redis alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field
from starlette.responses import Response

from actors.connection.refused_items.port import REFUSED_EXCERPT
from actors.messages.content import MINTED
from gateway.api.lookups import answered
from gateway.connection_access import resolve_path
from gateway.http.endpoint import ApiRequest, Gives, Operation, written
from gateway.http.problems import Problem
from gateway.http.response_base import Answer, Time, rfc3339
from gateway.schemas.request_models import ListQuery

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from actors.queue.outbound_queue import Record
    from actors.redis.leases.leases import Lease
    from actors.state.connections import Connection as Registered

_SENT = "sent."
"""The beginning of a cursor behind a message that was sent; any other one is the id of a received item."""


class RefusedDocument(Answer):
    """A received item or a sent message whose document the state store does not take, or not with its words."""

    id: str = Field(examples=["4711"])
    kind: str = Field(
        description="`message` or `history` (a message), `status` or `file` (news of one), `app_state`"
        " (a contact, chat or label), `merge` (of two chats), all of them received and in no list of messages;"
        " `sent`: a message that was sent or cancelled, which lists show without its words.",
        examples=["message"],
    )
    chat: str = Field(examples=["15550100002@s.whatsapp.net"])
    sender: str
    message_id: str
    type: str = Field(examples=["text"])
    at: Time | None = Field(
        description="WhatsApp's time; of what is `sent` that of its acceptance."
    )
    refused_at: Time | None = Field(description="When it was set aside.")
    size: int = Field(description="Bytes of its words.", examples=[1_200_000])
    excerpt: str | None = Field(description="The first 200 characters of its text.")


class RefusedDocuments(Answer):
    """A page of them: those that were sent, then those that arrived, each in their order."""

    items: list[RefusedDocument]
    next: str | None = Field(description="Give it as `after` for the next page; null at the end.")


async def _show(call: ApiRequest[None, ListQuery]) -> Response:
    limit, after = call.query.limit, call.query.after or f"{_SENT}0"
    registered = await resolve_path(call, fresh=True)
    lease = await call.backends.leases.read(registered.id)
    found: list[RefusedDocument] = []
    if after.startswith(_SENT):
        place = after.removeprefix(_SENT)
        if not _is_key(place):
            raise Problem("invalid_cursor")
        views = await call.backends.lanes.refused_views.page(registered.id, limit + 1, int(place))
        account = "" if lease is None else lease.account or ""
        found = [_of_view(each.record, account) for each in views[:limit]]
        if len(views) > limit:
            return _page(found, f"{_SENT}{views[limit - 1].place}")
        after = "0"
    elif not _is_key(after):
        raise Problem("invalid_cursor")
    left = limit - len(found)
    if lease is not None and not lease.held.refused_documents and not _is_served(call, lease):
        return _page(found, None)  # its session has none
    args = {"limit": str(left + 1), "after": after}
    items = (await _request_owner(call, registered, lease, "refused_items", args))["items"]
    page = [*map(_of_item, items[:left])]
    return _page([*found, *page], (page[-1].id if page else after) if len(items) > left else None)


def _page(items: list[RefusedDocument], following: str | None) -> Response:
    return written(RefusedDocuments(items=items, next=following))


async def _retry(call: ApiRequest[None, None]) -> Response:
    await _decide(call, "retry_refused", call.backends.lanes.refused_views.retry)
    return Response(status_code=204)


async def _discard(call: ApiRequest[None, None]) -> Response:
    await _decide(call, "discard_refused", call.backends.lanes.refused_views.discard)
    return Response(status_code=204)


async def _decide(
    call: ApiRequest[None, None], kind: str, decide: Callable[[str, str], Awaitable[bool]]
) -> None:
    """Decide in the session, by its owner, or on a message of the queue by `decide`."""
    document = call.path["document"]
    if MINTED.match(document):
        there = await decide((await resolve_path(call, fresh=True)).id, document)
    elif _is_key(document):
        registered = await resolve_path(call, fresh=True)
        lease = await call.backends.leases.read(registered.id)
        there = (await _request_owner(call, registered, lease, kind, {"item": document}))["there"]
    else:
        there = False
    if not there:
        raise Problem("unknown_document")


async def _request_owner(
    call: ApiRequest[Any, Any],
    registered: Registered,
    lease: Lease | None,
    kind: str,
    args: Mapping[str, str],
) -> dict[str, Any]:
    """The owner's answer; an open socket is not needed for it."""
    if lease is None or not _is_served(call, lease):
        raise Problem("connection_not_open", "Nobody serves the connection now.")
    answer = await answered(call, registered, kind, args)
    if "error" in answer:
        raise Problem("not_answered", "The session was not reached.", reason=answer["error"])
    return answer


def _is_served(call: ApiRequest[Any, Any], lease: Lease) -> bool:
    return lease.owner is not None and call.backends.liveness.of(lease.connection, lease)


def _of_view(record: Record, account: str) -> RefusedDocument:
    return RefusedDocument(
        id=record.message_id,
        kind="sent",
        chat=record.chat,
        sender=account,
        message_id=record.message_id,
        type=record.type,
        at=rfc3339(record.accepted_at),
        refused_at=rfc3339(record.refused_at),
        size=len(record.text.encode()) + len(record.content.encode()),
        excerpt=record.text[:REFUSED_EXCERPT] or None,
    )


def _of_item(item: Mapping[str, Any]) -> RefusedDocument:
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
        "Items received and messages sent that the state store refuses for good",
        _TAG,
        _show,
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
        _retry,
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
        _discard,
        {204: Gives("It is gone, and does not come again.")},
        "admin",
        refuses=("unknown_document", *_REFUSES),
    ),
)
