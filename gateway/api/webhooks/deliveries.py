"""Serves API routes that list a webhook's deliveries from SQLite or Firestore, and request one delivery more."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from actors.state.documents import DELIVERED, DELIVERIES, Order, Where
from actors.state.events.deliveries import OPEN, Delivery, delivered, delivered_id, delivery_id
from actors.state.events.log import LOG_PACKS, EventLog
from actors.state.webhooks import WebhookNotFound
from gateway.api.webhooks.resource import CONNECTIONS_ENDED, existing, of_one
from gateway.http.endpoint import Gives, written
from gateway.http.problems import Problem
from gateway.schemas import event_presenters
from gateway.schemas import webhooks as webhook_models
from gateway.schemas.request_models import ListDeliveries

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.responses import Response

    from actors.state.events.deliveries import Attempt
    from actors.state.events.outbox import NumberedEvent
    from actors.state.webhooks import Webhook
    from gateway.backends import Backends
    from gateway.http.endpoint import ApiRequest

PAGE_LOOKS, PAGE_EVENTS = 5, 200
"""Looks at the log, and events whose deliveries are read, that one page takes at most; of what does not fit it has less."""


async def _deliveries(call: ApiRequest[None, ListDeliveries]) -> Response:
    """The newest first."""
    query = call.query
    before = _number(query.after) if query.after is not None else None
    webhook = await existing(call)
    if query.status == "dead":
        return written(await _buried(call, webhook, before))
    log = EventLog(call.backends.documents)
    if before is None:
        before = (await log.head()).seq + 1
    items: list[webhook_models.Delivery] = []
    more, packs = True, 1
    # Without a status each event is a delivery of the page.
    room = query.limit if query.status is None else max(query.limit, PAGE_EVENTS)
    for _ in range(PAGE_LOOKS):
        look = await log.before(before, packs=packs)
        # A document has one event, or hundreds: the next look takes as many as the page has room for.
        packs = max(1, min(LOG_PACKS, packs * query.limit // max(1, len(look.events))))
        wanted = [each for each in look.events if webhook.wants(each.event)]
        until = wanted[room - 1].seq if len(wanted) >= room else 0
        wanted = wanted[:room]
        kept = await _stored(call.backends, webhook, wanted)
        taken = await _taken(call.backends, webhook, wanted)
        for event in look.events:
            if event.seq <= webhook.begun or event.seq < until or len(items) == query.limit:
                break
            before = event.seq
            if not webhook.wants(event.event):
                continue
            shown = event_presenters.delivery(
                event, webhook, kept.get(event.seq), taken.get(event.seq)
            )
            if query.status in (None, shown.status):
                items.append(shown)
        ended = not look.events or (not look.more and before == look.events[-1].seq)
        more = not ended and before > webhook.begun + 1
        room -= len(wanted)
        if not more or room == 0 or len(items) == query.limit:
            break
    cursor = str(before) if more else None
    return written(webhook_models.Deliveries(items=items, next=cursor))


async def _redeliver(call: ApiRequest[None, None]) -> Response:
    """Once more, now. Problems `unknown_delivery`, `still_waiting`, `connection_deleted`."""
    backends = call.backends
    webhook = await existing(call)
    if webhook.ended_at is not None:
        raise Problem("connection_deleted", CONNECTIONS_ENDED)
    number = call.path["delivery"]
    if not _is_number(number):
        raise Problem("unknown_delivery")
    repeated = await _once_more(backends, webhook, int(number))
    try:
        await backends.webhooks.request_deliveries(webhook.id, repeated.write)
    except WebhookNotFound:
        raise Problem("unknown_webhook") from None
    backends.deliverer.look()
    return written(event_presenters.delivery(repeated.numbered, webhook, repeated, None), 202)


async def _once_more(backends: Backends, webhook: Webhook, seq: int) -> Delivery:
    document = await backends.documents.get(DELIVERIES, delivery_id(webhook.id, seq))
    if document is not None:
        if document["status"] in OPEN:
            raise Problem("still_waiting")
        delivery = Delivery.of(document)
        return replace(delivery, status="repeat", lane=None, retry_at=None)
    look = await EventLog(backends.documents).after(seq - 1, packs=1)
    event = look.events[0] if look.events and look.events[0].seq == seq else None
    if event is None or seq <= webhook.begun or not webhook.wants(event.event):
        raise Problem("unknown_delivery")
    if not webhook.progress.dealt(seq):
        raise Problem("still_waiting")
    first = (await _taken(backends, webhook, [event])).get(seq)
    tries = () if first is None else (first,)
    return Delivery(webhook.id, event, "repeat", None, attempts=1, tries=tries)


async def _buried(
    call: ApiRequest[None, ListDeliveries], webhook: Webhook, before: int | None
) -> webhook_models.Deliveries:
    where = [Where("webhook", "==", webhook.id), Where("status", "==", "dead")]
    if before is not None:
        where.append(Where("seq", "<", before))
    page = await call.backends.documents.query(
        DELIVERIES, where=where, order=[Order("seq", descending=True)], limit=call.query.limit
    )
    found = [Delivery.of(each) for each in page.items]
    items = [event_presenters.delivery(each.numbered, webhook, each, None) for each in found]
    last = str(page.items[-1]["seq"]) if page.next is not None else None
    return webhook_models.Deliveries(items=items, next=last)


async def _stored(
    backends: Backends, webhook: Webhook, events: Sequence[NumberedEvent]
) -> dict[int, Delivery]:
    """Deliveries of these events that have documents, by their numbers."""
    if not events:
        return {}
    page = await backends.documents.query(
        DELIVERIES,
        where=[
            Where("webhook", "==", webhook.id),
            Where("seq", ">=", min(each.seq for each in events)),
            Where("seq", "<=", max(each.seq for each in events)),
        ],
        order=[Order("seq")],
    )
    return {each["seq"]: Delivery.of(each) for each in page.items}


async def _taken(
    backends: Backends, webhook: Webhook, events: Sequence[NumberedEvent]
) -> dict[int, Attempt]:
    """The attempts at those of these events that got through at once, by their numbers."""
    names = dict.fromkeys(delivered_id(webhook.id, each.seq) for each in events)
    return delivered([await backends.documents.get(DELIVERED, name) for name in names])


def _number(cursor: str) -> int:
    if not _is_number(cursor):
        raise Problem("invalid_cursor")
    return int(cursor)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 19


OPERATIONS = (
    of_one(
        "GET /deliveries",
        "listDeliveries",
        "Its deliveries, the newest first",
        _deliveries,
        {200: Gives("A page of deliveries.", webhook_models.Deliveries)},
        query=ListDeliveries,
        refuses=("invalid_cursor",),
    ),
    of_one(
        "POST /deliveries/{delivery}/redeliver",
        "redeliver",
        "Deliver once more, now, what is dead or was delivered",
        _redeliver,
        {202: Gives("It is tried once.", webhook_models.Delivery)},
        refuses=("unknown_delivery", "still_waiting", "connection_deleted"),
    ),
)
