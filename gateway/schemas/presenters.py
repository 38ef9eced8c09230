"""Converts connections, messages, alerts and queue counts from Redis and the state store to answer models (pure)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, cast

from actors.connection.proxy import address
from actors.queue.mirror import mirror_writes
from actors.redis.leases.lease_record import NONE_HELD
from actors.runtime.connection_ids import name_of
from actors.state.fields import source_of
from actors.state.messages.received import connection_of
from gateway.http.response_base import rfc3339
from gateway.schemas.account_pacing import account_pacing
from gateway.schemas.content.content_presenters import message_fields
from gateway.schemas.people.people import person
from gateway.schemas.response_models import (
    Alert,
    Connection,
    Crash,
    Lane,
    LimitReason,
    Message,
    Queue,
    RecoveryAction,
    State,
)
from supervision.reconcile import breaker

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from actors.config.settings import Settings
    from actors.queue.outbound_queue import Counts, Record, Status
    from actors.redis.leases.leases import Lease
    from actors.state.connection_document import Observed
    from actors.state.connections import Connection as Registered
    from actors.state.documents import Document

_BEFORE_ANY_OWNER: Mapping[str, State] = {
    "running": "connecting",
    "stopped": "stopped",
    "logged_out": "logged_out",
}
FINAL_STATUSES = frozenset({"sent", "delivered", "read", "dead", "cancelled"})


def connection(
    registered: Registered,
    lease: Lease | None,
    *,
    alive: bool,
    settings: Settings,
    now: float | None = None,
) -> Connection:
    """A connection as it should be and as it was last seen.

    None is open whose owner is not known to be `alive` (G14): it is reconnecting until it is.
    The lease and the stored observation describe the same thing; the newer (epoch, since) wins, so
    that neither an emptied Redis nor a store that lags behind hides the other.
    """
    seen = _newer(lease, registered.observed)
    if seen is None:
        state, cause, since = _BEFORE_ANY_OWNER[registered.desired], None, registered.created_at
        retry_at = None
    else:
        state, cause, since = cast("State", seen.state), seen.cause, seen.since
        retry_at = seen.retry_at
    if state == "open" and not alive:
        state, cause = "reconnecting", None
    now = time.time() if now is None else now
    limited_until, limit_reason = limit(lease, now)
    held = NONE_HELD if lease is None else lease.held
    accounts = [each.account for each in (seen, lease, registered.observed) if each is not None]
    return Connection(
        id=registered.name,
        incarnation=registered.id,
        state=state,
        cause=cause,
        epoch=0 if seen is None else seen.epoch,
        restarts=0 if seen is None else seen.restarts,
        breaker=breaker(state, cause, since, registered.falls, now),
        since=rfc3339(since),
        retry_at=rfc3339(retry_at),
        version_ends_at=rfc3339(None if lease is None else lease.version_ends_at),
        limited_until=rfc3339(limited_until),
        limit_reason=limit_reason,
        pacing=account_pacing(settings, None if lease is None else lease.linked_at, now),
        refused_documents=held.refused_documents + (0 if lease is None else lease.refused_sends),
        deferred_files=held.deferred_files,
        over_budget_files=held.over_budget_files,
        account=next((account for account in accounts if account), None),
        pairing_step=cast("Any", lease.pairing_step)
        if lease is not None and state == "pairing"
        else None,
        show_online=registered.options.show_online,
        proxy=address.shown(registered.options.proxy),
        reject_calls=registered.options.reject_calls,
        reject_calls_text=registered.options.reject_calls_text,
        desired=registered.desired,
        created_at=rfc3339(registered.created_at),
    )


def limit(lease: Lease | None, now: float) -> tuple[float | None, LimitReason | None]:
    """Until when WhatsApp limits the account of a connection, and why; None where it does not."""
    if lease is None or lease.limited_until is None or lease.limited_until <= now:
        return None, None
    return lease.limited_until, cast("LimitReason | None", lease.limit_reason)


def named(connection: str | None) -> str | None:
    """The name of a connection, where something is about one."""
    return None if connection is None else name_of(connection)


def limited(connections: Sequence[str] | None, ended: Collection[str]) -> list[str] | None:
    """The connections that a key or webhook is for: by name, one that was deleted by its incarnation."""
    if connections is None:
        return None
    return [each if each in ended else name_of(each) for each in connections]


def _newer(lease: Lease | None, observed: Observed | None) -> Lease | Observed | None:
    if lease is None or observed is None:
        return lease or observed
    return lease if (lease.epoch, lease.since) >= (observed.epoch, observed.since) else observed


def first_status(record: Record) -> Status:
    """The status with which the message was accepted."""
    later = record.send_at is not None and record.send_at > record.accepted_at
    return "waiting" if later else "queued"


def queued(record: Record, document: Document | None = None) -> Message:
    """An outgoing message by its record; its `document` has the changes by others.

    Where the words are `stored`, the document has them too.
    """
    return stored(merged(record, document))


def merged(record: Record, document: Document | None) -> Document:
    """The document of an outgoing message as its record has it, with the changes by others from the store."""
    fields, shown = mirror_writes.message(record), document or {}
    if record.stored and not record.redacted:
        fields |= {"text": shown.get("text"), "content": shown.get("content")}
    accepted_at = record.accepted_at
    times = {"accepted_at": accepted_at, "queued_at": record.times.get("queued", accepted_at)}
    return {**fields, **times, "id": record.id, "changes": shown.get("changes")}


def stored(document: Document) -> Message:
    """A message as the state store has it, sent or received."""
    outgoing = document["direction"] == "out"
    return Message(
        **message_fields(document),
        id=document["id"],
        message_id=document["message_id"],
        connection=name_of(connection_of(document)),
        chat=document["chat"],
        chat_name=document.get("chat_name"),
        sender=document.get("sender"),
        author=person(document.get("sender"), document),
        direction=document["direction"],
        source=source_of(document),
        at=_time(document, "at"),
        whatsapp_at=_time(document, "whatsapp_at"),
        type=document["type"],
        status=document.get("status") or ("queued" if outgoing else "received"),
        attempts=document.get("attempts") or 0,
        error=document.get("error"),
        uncertain=bool(document.get("uncertain")),
        crashes=[_crash(crash) for crash in document.get("crashes") or ()],
        accepted_at=_time(document, "accepted_at") or (_time(document, "at") if outgoing else None),
        send_at=_time(document, "send_at"),
        queued_at=_time(document, "queued_at"),
        waiting_at=_time(document, "waiting_at"),
        sending_at=_time(document, "sending_at"),
        sent_at=_time(document, "sent_at"),
        delivered_at=_time(document, "delivered_at"),
        read_at=_time(document, "read_at"),
        dead_at=_time(document, "dead_at"),
        cancelled_at=_time(document, "cancelled_at"),
        received_at=_time(document, "received_at") or (None if outgoing else _time(document, "at")),
    )


def alert(document: Document, now: Mapping[tuple[str, str | None, float], str]) -> Alert:
    """An alert as the state store has it, with the reason as it is `now` while it is active.

    `now` has reasons by name, subject and time of raising: a figure that drifts is not written each time.
    """
    key = (document["name"], document["subject"], document["raised_at"])
    return Alert(
        id=document["id"],
        name=document["name"],
        connection=named(document["subject"]),
        incarnation=document["subject"],
        severity=document["severity"],
        reason=now.get(key, document["reason"]) if document["active"] else document["reason"],
        active=document["active"],
        raised_at=rfc3339(document["raised_at"]) or "",
        cleared_at=rfc3339(document["cleared_at"]),
        told_at=_time(document, "told_at") or rfc3339(document["raised_at"]),
        repeats=document.get("repeats", 0),
    )


def recovery(document: Document) -> RecoveryAction:
    """A recovery action as the state store has it."""
    connection = document["connection"]
    shown = {
        "connection": named(connection),
        "incarnation": connection,
        "at": rfc3339(document["at"]),
    }
    return RecoveryAction(**{**document, **shown})


def _crash(crash: Document) -> Crash:
    return Crash(
        sending_at=_time(crash, "sending_at"),
        noticed_at=_time(crash, "noticed_at"),
        epoch=crash["epoch"],
        cause=crash["cause"],
    )


def _time(document: Document, field: str) -> str | None:
    value: Any = document.get(field)
    return rfc3339(value) if isinstance(value, (int, float)) else None


def queue(connections: Sequence[str], counts: Mapping[str, Counts]) -> Queue:
    """The queue of these connections, and the sum."""
    lanes = [
        Lane(
            connection=name_of(connection),
            waiting=of.waiting,
            active=of.active,
            delayed=of.delayed,
            dead=of.dead,
            oldest_at=rfc3339(of.oldest_at),
        )
        for connection, of in ((each, counts[each]) for each in connections if each in counts)
    ]
    return Queue(
        waiting=sum(lane.waiting for lane in lanes),
        active=sum(lane.active for lane in lanes),
        delayed=sum(lane.delayed for lane in lanes),
        dead=sum(lane.dead for lane in lanes),
        items=lanes,
    )
