"""Numbers events and packs them into documents of the event log, for the same batch as the write that caused them (pure).

Events of one batch are one document of ``events``, and ``event_log/head`` has the last number: two
documents a batch and not one an event, where each is paid for. The numbering reads and raises the head
in the transaction of the batch, so numbers rise in the order in which batches were committed, without a hole,
over all processes: a reader up to a number has missed nothing.

Nothing is written while nobody wants it: no webhook is set up, and no reader came for a while.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypedDict, cast

from actors.state.documents import EVENT_LOG, EVENTS, HEAD
from actors.state.events.event import UNREADABLE_TYPE, Event

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from actors.state.documents import Document
    from actors.state.events.event import EventType

PACK_BYTES: Final = 700_000
"""Of events in one document: Firestore takes 1 MiB."""

DIGITS: Final = 16
_BULKY: Final = ("text", "content", "changes", "reason")


@dataclass(frozen=True, slots=True)
class NumberedEvent:
    """An event with its number, and when it was written. `cut`: too long, its words are left out.

    `size` in bytes, where it was read from the log: the mean of the events that it was written with.
    """

    seq: int
    at: float
    event: Event
    cut: bool = False
    size: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Head:
    """The log's last number and its subscribers, as in ``event_log/head``."""

    seq: int = 0
    """The number of the last event."""
    webhooks: tuple[str, ...] = ()
    """Ids of webhooks that events are written for."""
    until: float = 0.0
    """Events are written for those who read until retention finds this past, and sets 0; where there is a webhook, always."""

    @classmethod
    def of(cls, document: Mapping[str, Any] | None) -> Head:
        """The head of its document; the first one where there is none."""
        fields = document or {}
        return cls(
            int(fields.get("seq", 0)),
            tuple(fields.get("webhooks") or ()),
            float(fields.get("until", 0.0)),
        )

    @property
    def document(self) -> Document:
        return {"seq": self.seq, "webhooks": list(self.webhooks), "until": self.until}

    @property
    def wanted(self) -> bool:
        """Whether events are written: for a webhook, or for a reader that came lately."""
        return bool(self.webhooks) or self.until > 0


class EventsDocument(TypedDict):
    """The events of a batch of writes."""

    first: int
    last: int
    """Numbers of its first and its last event."""
    at: float
    """When it was written."""
    events: str
    """JSON text, a list of maps: `id`, `type`, `connection`, `at`, `data`, and `cut` where the words were too long."""


@dataclass(slots=True)
class _Pack:
    first: int
    texts: list[str] = field(default_factory=list)
    size: int = 0

    def document(self, at: float) -> EventsDocument:
        last = self.first + len(self.texts) - 1
        return {"first": self.first, "last": last, "at": at, "events": f"[{','.join(self.texts)}]"}


def is_wanted(head: Document | None) -> bool:
    """Return whether events are wanted; where not, those of a write need not be derived."""
    return Head.of(head).wanted


def packed(
    head: Document | None, events: Sequence[Event], now: float
) -> list[tuple[str, str, Mapping[str, Any]]]:
    """The documents to set, by collection and id; none where nobody wants the events."""
    log = Head.of(head)
    if not events or not log.wanted:
        return []
    packs = [_Pack(log.seq + 1)]
    for seq, event in enumerate(events, log.seq + 1):
        text, size = _text(event)
        if packs[-1].texts and packs[-1].size + size > PACK_BYTES:
            packs.append(_Pack(seq))
        packs[-1].texts.append(text)
        packs[-1].size += size
    raised = Head(log.seq + len(events), log.webhooks, log.until)
    return [
        (EVENT_LOG, HEAD, raised.document),
        *((EVENTS, f"{pack.first:0{DIGITS}d}", pack.document(now)) for pack in packs),
    ]


def unpacked(document: Mapping[str, Any]) -> Iterable[NumberedEvent]:
    """The events of a document of ``events``, in order; one that cannot be read has the type `UNREADABLE_TYPE`.

    A document that cannot be read at all is one such event, at its last number.
    """
    last: int = document["last"]
    try:
        events, first, at = json.loads(document["events"]), document["first"], float(document["at"])
        size = len(document["events"]) // len(events)
        whole = len(events) == last - first + 1
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        whole = False
    if not whole:
        yield NumberedEvent(last, 0.0, _unreadable(last, 0.0))
        return
    for seq, fields in enumerate(events, first):
        event = _event(fields, seq, at)
        cut = event.type != UNREADABLE_TYPE and bool(fields.get("cut", False))
        yield NumberedEvent(seq, at, event, cut, size)


def has_events_of(document: Mapping[str, Any], connections: Iterable[str]) -> bool:
    """Return whether a document of ``events`` may have events of these connections, without reading each event.

    It has none where this is False. One that cannot be read has none that names a connection.
    """
    events = document.get("events")
    return isinstance(events, str) and any(
        f'"connection":{_json(each)}' in events for each in connections
    )


def written(event: NumberedEvent) -> str:
    """One event as text, by itself; `read` has it again."""
    return json.dumps(
        {"seq": event.seq, "at": event.at, "cut": event.cut, "event": asdict(event.event)},
        ensure_ascii=False,
        separators=(",", ":"),
    )


def read(text: str) -> NumberedEvent:
    """The value that `written` wrote."""
    fields = json.loads(text)
    event = _event(fields["event"], fields["seq"], fields["at"])
    return NumberedEvent(fields["seq"], fields["at"], event, fields["cut"], len(text))


def _event(fields: Any, seq: int, at: float) -> Event:
    """The event of these fields; those of newer releases are left out."""
    match fields:
        case {
            "id": str(identity),
            "type": str(kind),
            "connection": str() | None as connection,
            "at": int() | float() as happened,
            "data": dict(data),
        }:
            return Event(identity, cast("EventType", kind), connection, happened, data)
    return _unreadable(seq, at)


def _unreadable(seq: int, at: float) -> Event:
    return Event(f"evt_{UNREADABLE_TYPE}_{seq}", UNREADABLE_TYPE, None, at, {})


def _text(event: Event) -> tuple[str, int]:
    """An event as text, and its size in bytes."""
    fields = {
        "id": event.id,
        "type": event.type,
        "connection": event.connection,
        "at": event.at,
        "data": event.data,
    }
    text = _json(fields)
    size = len(text.encode())
    if size <= PACK_BYTES:
        return text, size
    # Written all the same; its words are in the document that it is about.
    data = {name: None if name in _BULKY else value for name, value in event.data.items()}
    text = _json({**fields, "data": data, "cut": True})
    return text, len(text.encode())


_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode
