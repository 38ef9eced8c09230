"""Webhooks: endpoints that are told of events, and what became of each delivery."""

from __future__ import annotations

import re
import secrets
import time
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from starlette.responses import Response

from actors.state.connections import ConnectionNotFound
from actors.state.documents import DELIVERIES, Order, Where
from actors.state.events.log import EventLog
from actors.state.events.outbox import read
from actors.state.webhooks import Secret, TooManyWebhooks, Webhook, WebhookEnded, WebhookNotFound
from gateway.acceptance.address_policy import is_private_host
from gateway.connection_access import resolve_all
from gateway.http.endpoint import Call, Gives, Operation, written
from gateway.http.problems import Problem
from gateway.schemas import event_presenters
from gateway.schemas import events as event_models
from gateway.schemas.requests import WEBHOOK_PATTERN, ChangedWebhook, ListDeliveries, NewWebhook
from gateway.webhooks import delivery_worker, signatures

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.state.events.outbox import Told
    from gateway.backends import Backends

WEBHOOK_ID = re.compile(WEBHOOK_PATTERN)

LOOKS = 5
"""Looks at the log that one page of deliveries takes at most; of what does not fit it has less."""

_ENDED = "So is every connection of the webhook."
_ONE = Gives("The webhook.", event_models.Webhook)


def made(
    backends: Backends,
    url: str,
    *,
    events: Sequence[str] | None = None,
    connections: Sequence[str] | None = None,
) -> Webhook:
    """A webhook with an id and a secret of its own; `connections` by id. Problem `private_url`."""
    _require_public(backends, url)
    return Webhook(
        id=f"wh_{secrets.token_hex(12)}",
        url=url,
        secrets=(Secret(signatures.new_secret()),),
        created_at=time.time(),
        events=None if events is None else tuple(sorted(set(events))),
        connections=None if connections is None else tuple(sorted(set(connections))),
    )


async def create(call: Call[NewWebhook, None]) -> Response:
    backends, wanted = call.backends, call.body
    connections = await resolve_all(call, wanted.connections)
    webhook = made(backends, wanted.url, events=wanted.events, connections=connections)
    try:
        await backends.webhooks.create(webhook)
    except TooManyWebhooks:
        raise Problem("too_many_webhooks") from None
    except ConnectionNotFound:
        raise Problem("unknown_connection") from None
    backends.deliverer.look()
    shown = event_presenters.webhook(webhook, webhook.progress.cursor)
    return written(
        event_models.AddedWebhook(**shown, secret=webhook.secrets[0].secret),
        201,
        Location=f"/api/webhooks/{webhook.id}",
    )


async def list_all(call: Call[None, None]) -> Response:
    listed = await call.backends.webhooks.list()
    found = [each for each in listed if call.key.covers(each.connections)]
    seq = await call.backends.streams.seq() if found else 0
    items = [event_models.Webhook(**event_presenters.webhook(each, seq)) for each in found]
    return written(event_models.Webhooks(items=items))


async def get(call: Call[None, None]) -> Response:
    return await _shown(call, await _existing(call))


async def change(call: Call[ChangedWebhook, None]) -> Response:
    webhook = await _existing(call)
    if call.body.url is not None:
        _require_public(call.backends, call.body.url)
    try:
        changed = await call.backends.webhooks.change(
            webhook.id, url=call.body.url, on=call.body.enabled
        )
    except WebhookNotFound:
        raise Problem("unknown_webhook") from None
    except WebhookEnded:
        raise Problem("connection_deleted", _ENDED) from None
    call.backends.deliverer.look()
    return await _shown(call, changed)


async def delete(call: Call[None, None]) -> Response:
    webhook = await _existing(call)
    await call.backends.webhooks.delete(webhook.id)
    call.backends.deliverer.look()
    return Response(status_code=204)


async def rotate(call: Call[None, None]) -> Response:
    webhook = await _existing(call)
    secret = signatures.new_secret()
    try:
        await call.backends.webhooks.rotate(webhook.id, secret)
    except WebhookNotFound:
        raise Problem("unknown_webhook") from None
    call.backends.deliverer.look()
    return written(event_models.Rotated(secret=secret))


async def deliveries(call: Call[None, ListDeliveries]) -> Response:
    """The newest first. What got through at once is in the log of events alone."""
    query = call.query
    before = _number(query.after) if query.after is not None else None
    webhook = await _existing(call)
    if query.status == "dead":
        return written(await _buried(call, webhook, before))
    log = EventLog(call.backends.documents)
    if before is None:
        before = (await log.head()).seq + 1
    items: list[event_models.Delivery] = []
    more = True
    for _ in range(LOOKS):
        look = await log.before(before)
        kept = await _kept(call, webhook, look.events)
        for told in look.events:
            if told.seq <= webhook.begun or len(items) == query.limit:
                break
            before = told.seq
            if not webhook.wants(told.event):
                continue
            shown = event_presenters.delivery(told, webhook, kept.get(told.seq))
            if query.status in (None, shown.status):
                items.append(shown)
        ended = not look.events or (not look.more and before == look.events[-1].seq)
        more = not ended and before > webhook.begun + 1
        if not more or len(items) == query.limit:
            break
    cursor = str(before) if more else None
    return written(event_models.Deliveries(items=items, next=cursor))


async def redeliver(call: Call[None, None]) -> Response:
    """Once more, now. Problems `unknown_delivery`, `still_waiting`, `connection_deleted`."""
    backends = call.backends
    webhook = await _existing(call)
    if webhook.ended_at is not None:
        raise Problem("connection_deleted", _ENDED)
    number = call.path["delivery"]
    if not _is_number(number):
        raise Problem("unknown_delivery")
    seq = int(number)
    document = await backends.documents.get(
        DELIVERIES, delivery_worker.delivery_id(webhook.id, seq)
    )
    if document is None:
        look = await EventLog(backends.documents).after(seq - 1, packs=1)
        told = look.events[0] if look.events and look.events[0].seq == seq else None
        if told is None or seq <= webhook.begun or not webhook.wants(told.event):
            raise Problem("unknown_delivery")
        if seq > webhook.progress.cursor:
            raise Problem("still_waiting")
        attempts, tried_at = 1, None
    else:
        if document["status"] == "waiting":
            raise Problem("still_waiting")
        told = read(document["event"])
        attempts, tried_at = document["attempts"], document["tried_at"]
    asked = delivery_worker.kept(
        webhook.id, told, "waiting", attempts=attempts, outcome=None, tried_at=tried_at
    )
    try:
        await backends.webhooks.ask(webhook.id, asked)
    except WebhookNotFound:
        raise Problem("unknown_webhook") from None
    backends.deliverer.look()
    return written(event_presenters.delivery(told, webhook, dict(asked.data)), 202)


async def _buried(
    call: Call[None, ListDeliveries], webhook: Webhook, before: int | None
) -> event_models.Deliveries:
    where = [Where("webhook", "==", webhook.id), Where("status", "==", "dead")]
    if before is not None:
        where.append(Where("seq", "<", before))
    page = await call.backends.documents.query(
        DELIVERIES, where=where, order=[Order("seq", descending=True)], limit=call.query.limit
    )
    items = [event_presenters.delivery(read(each["event"]), webhook, each) for each in page.items]
    last = str(page.items[-1]["seq"]) if page.next is not None else None
    return event_models.Deliveries(items=items, next=last)


async def _kept(
    call: Call[None, ListDeliveries], webhook: Webhook, events: Sequence[Told]
) -> dict[int, Any]:
    """Stored deliveries of these events, by their numbers."""
    if not events:
        return {}
    page = await call.backends.documents.query(
        DELIVERIES,
        where=[
            Where("webhook", "==", webhook.id),
            Where("seq", ">=", min(each.seq for each in events)),
            Where("seq", "<=", max(each.seq for each in events)),
        ],
        order=[Order("seq")],
    )
    return {each["seq"]: each for each in page.items}


def _number(cursor: str) -> int:
    if not _is_number(cursor):
        raise Problem("invalid_cursor")
    return int(cursor)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 19


def _require_public(backends: Backends, url: str) -> None:
    host = urlsplit(url).hostname or ""
    if not backends.settings.webhook_url_private and is_private_host(host):
        raise Problem("private_url", "WEBHOOK_URL_PRIVATE allows it.")


async def _existing(call: Call[Any, Any]) -> Webhook:
    named = call.path["webhook"]
    webhook = await call.backends.webhooks.get(named) if WEBHOOK_ID.fullmatch(named) else None
    if webhook is None or not call.key.covers(webhook.connections):
        raise Problem("unknown_webhook")
    return webhook


async def _shown(call: Call[Any, Any], webhook: Webhook) -> Response:
    seq = await call.backends.streams.seq()
    return written(event_models.Webhook(**event_presenters.webhook(webhook, seq)))


_TAG = "webhooks"
_PATH = "/api/webhooks/{webhook}"


def _of_one(
    route: str, verb: str, summary: str, handler: Any, gives: Any, **more: Any
) -> Operation:
    method, _, suffix = route.partition(" ")
    refuses = ("unknown_webhook", "store_away", *cast("tuple[str, ...]", more.pop("refuses", ())))
    return Operation(
        method,
        _PATH + suffix,
        verb,
        summary,
        _TAG,
        handler,
        gives,
        "admin",
        refuses=refuses,
        **more,
    )


OPERATIONS = (
    Operation(
        "POST",
        "/api/webhooks",
        "createWebhook",
        "Have an endpoint told of what happens from now on",
        _TAG,
        create,
        {
            201: Gives(
                "Added. The secret is shown this once.",
                event_models.AddedWebhook,
                headers={"Location": "Where it is."},
            )
        },
        "admin",
        body=NewWebhook,
        refuses=(
            "unknown_connection",
            "invalid_url",
            "private_url",
            "too_many_webhooks",
            "store_away",
        ),
    ),
    Operation(
        "GET",
        "/api/webhooks",
        "listWebhooks",
        "All webhooks",
        _TAG,
        list_all,
        {200: Gives("The webhooks.", event_models.Webhooks)},
        "admin",
        refuses=("store_away",),
    ),
    _of_one("GET", "getWebhook", "One webhook", get, {200: _ONE}),
    _of_one(
        "PATCH",
        "changeWebhook",
        "Pause it, let it go on, or give it another address",
        change,
        {200: _ONE},
        body=ChangedWebhook,
        refuses=("invalid_url", "private_url", "connection_deleted"),
    ),
    _of_one(
        "DELETE",
        "deleteWebhook",
        "Tell it nothing more",
        delete,
        {204: Gives("Deleted.")},
    ),
    _of_one(
        "POST /secret",
        "rotateSecret",
        "Sign by a new secret, and for a day by the one before too",
        rotate,
        {200: Gives("The new secret, shown this once.", event_models.Rotated)},
    ),
    _of_one(
        "GET /deliveries",
        "listDeliveries",
        "Its deliveries, the newest first",
        deliveries,
        {200: Gives("A page of deliveries.", event_models.Deliveries)},
        query=ListDeliveries,
        refuses=("invalid_cursor",),
    ),
    _of_one(
        "POST /deliveries/{delivery}/redeliver",
        "redeliver",
        "Deliver once more, now, what is dead or was delivered",
        redeliver,
        {202: Gives("It is tried once.", event_models.Delivery)},
        refuses=("unknown_delivery", "still_waiting", "connection_deleted"),
    ),
)
