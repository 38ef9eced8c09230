"""Builds and parses the SQLite or Firestore documents of webhook deliveries: attempts, refused and delivered events.

An event that its endpoint took at the first attempt shares a document with its neighbours in the log;
one that was refused, that waits behind such a one in its chat, or that a person wants again has its own.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal, TypedDict

from actors.state.documents import DELIVERED, DELIVERIES, Write
from actors.state.events import outbox

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from actors.state.documents import Document
    from actors.state.events.outbox import NumberedEvent

Status = Literal["waiting", "behind", "repeat", "delivered", "dead", "passed"]
"""``waiting``: refused, tried again · ``behind``: waits for such a one of its chat · ``repeat``: a person
wants it once more · ``passed``: nobody wants it, it only kept the order of a chat with two addresses, and
its document is deleted."""

OPEN: Final = ("waiting", "behind", "repeat")

ATTEMPTS_KEPT: Final = 20
"""Attempts of a delivery that are kept, the last ones."""

DELIVERED_PER_DOCUMENT: Final = 100
"""Numbers of events that share a document of ``webhook_delivered``."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """A request to an endpoint, and its outcome."""

    at: float
    """When it began."""
    status: int | None
    """The status of HTTP; null where no answer came."""
    error: str | None
    """The code of what kept the answer from coming, or of a status that refuses; null for an answer 2xx."""
    seconds: float
    """Time until that was known."""

    @classmethod
    def of(cls, at: float, outcome: int | str, seconds: float) -> Attempt:
        """The attempt that came to `outcome`, a status of HTTP or a code."""
        if isinstance(outcome, str):
            return cls(at, None, outcome, seconds)
        error = None if 200 <= outcome < 300 else f"status_{outcome}"
        return cls(at, outcome, error, seconds)


class DeliveryDocument(TypedDict):
    """A delivery that an endpoint refused, that waits behind such a one, or that is to be repeated."""

    webhook: str
    """The id of the webhook."""
    seq: int
    """The number of the event."""
    event: str
    """JSON text: the event."""
    status: Status
    """`waiting`: it is tried again; `behind`: it waits for the one of its chat that is; `repeat`: a person wants it once more; `dead` or `delivered`."""
    lane: str | None
    """The connection and the chat whose order it keeps; null for a `repeat`."""
    attempts: int
    """Number of attempts."""
    error: str | None
    tried_at: float | None
    """The code and the time of the last attempt."""
    retry_at: float | None
    """When the next one is due."""
    tries: list[Attempt]
    """The last 20 attempts."""
    at: float
    """When the event was written."""


class DeliveredDocument(TypedDict):
    """Attempts that got through at once, of neighbours in the log."""

    webhook: str
    """The id of the webhook."""
    attempts: str
    """JSON text, a map: the number of the event, and a list of when, the status of HTTP, null, and seconds."""
    at: float
    """When it was written last."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """An event on its way to an endpoint, with its last attempts, as in ``webhook_deliveries``."""

    webhook: str
    numbered: NumberedEvent
    status: Status
    lane: str | None
    attempts: int = 0
    tries: tuple[Attempt, ...] = ()
    retry_at: float | None = None

    @classmethod
    def of(cls, document: Document) -> Delivery:
        """The delivery of a document."""
        return cls(
            document["webhook"],
            outbox.read(document["event"]),
            document["status"],
            document.get("lane"),
            document["attempts"],
            tuple(Attempt(**each) for each in document.get("tries", ())),
            document.get("retry_at"),
        )

    def tried(self, attempt: Attempt, status: Status, retry_at: float | None = None) -> Delivery:
        """The delivery after an attempt."""
        tries = (*self.tries, attempt)[-ATTEMPTS_KEPT:]
        attempts = self.attempts + 1
        return replace(self, status=status, attempts=attempts, tries=tries, retry_at=retry_at)

    @property
    def document(self) -> Document:
        last = self.tries[-1] if self.tries else None
        return {
            "webhook": self.webhook,
            "seq": self.numbered.seq,
            "event": outbox.written(self.numbered),
            "status": self.status,
            "lane": self.lane,
            "attempts": self.attempts,
            "error": None if last is None else last.error,
            "at": self.numbered.at,
            "tried_at": None if last is None else last.at,
            "retry_at": self.retry_at,
            "tries": [asdict(each) for each in self.tries],
        }

    @property
    def write(self) -> Write:
        """The write that stores the delivery; one that the webhook passed over is deleted."""
        name = delivery_id(self.webhook, self.numbered.seq)
        if self.status == "passed":
            return Write("delete", DELIVERIES, name)
        return Write("set", DELIVERIES, name, self.document)


def delivery_id(webhook: str, seq: int) -> str:
    """The id of the document of a delivery."""
    return f"{webhook}.{seq:0{outbox.DIGITS}d}"


def delivered_id(webhook: str, seq: int) -> str:
    """The id of the document that has the attempt at an event which was taken at once."""
    return f"{webhook}.{seq // DELIVERED_PER_DOCUMENT:0{outbox.DIGITS}d}"


def delivering(webhook: str, attempts: Mapping[int, Attempt], now: float) -> list[Write]:
    """The writes that keep attempts, by the numbers of their events, which got through at once."""
    by_document: dict[str, dict[int, Attempt]] = {}
    for seq, attempt in attempts.items():
        by_document.setdefault(delivered_id(webhook, seq), {})[seq] = attempt
    return [_adding(name, webhook, some, now) for name, some in by_document.items()]


def delivered(documents: Iterable[Document | None]) -> dict[int, Attempt]:
    """The attempts of documents of ``webhook_delivered``, by the numbers of their events."""
    attempts = [json.loads(each["attempts"]) for each in documents if each is not None]
    return {int(seq): Attempt(*fields) for some in attempts for seq, fields in some.items()}


def _adding(name: str, webhook: str, attempts: Mapping[int, Attempt], now: float) -> Write:
    new: dict[str, Any] = {
        str(seq): [each.at, each.status, each.error, round(each.seconds, 4)]
        for seq, each in attempts.items()
    }

    def add(there: Document | None) -> DeliveredDocument:
        stored = {} if there is None else json.loads(there["attempts"])
        text = json.dumps({**stored, **new}, separators=(",", ":"))
        return {"webhook": webhook, "at": now, "attempts": text}

    return Write("change", DELIVERED, name, change=add)
