"""Defines the values that the queue takes and returns (sends, records, claims, counts), and parses them from Redis hashes.

Times are seconds since the epoch. None of these may be logged: they carry chats and texts.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal

from actors.messages.content import (
    EDIT_SECONDS,
    MINTED,
    Edit,
    Text,
    decode,
    encode,
    is_plain,
    text_of,
    without_preview,
)
from actors.runtime.connection_ids import is_connection

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from actors.messages.content import Change, Content, Star

Status = Literal["queued", "waiting", "sending", "sent", "delivered", "read", "dead", "cancelled"]
STATUSES: tuple[Status, ...] = (
    "queued", "waiting", "sending", "sent", "delivered", "read", "dead", "cancelled",
)  # fmt: skip
_TIMES = tuple((status, f"{status}_at") for status in STATUSES)

EDIT_GRACE = 300.0
"""Seconds for which WhatsApp takes an edit longer than its clients offer one."""

FIRST_FIELDS = 8
"""Fields that each `Send` always had."""


@dataclass(frozen=True, slots=True)
class Send:
    """A send to be queued. `chat` is a canonical address; `priority` 0 is first, 9 is last.

    `send_at` holds the message back until then. `content` is the encoded content of what `type` and
    `text` do not say in full. `asked` is what the caller asked for where that became more with what
    was known when it was accepted: it alone says whether two sends are the same.
    """

    connection: str
    chat: str = field(repr=False)
    text: str = field(repr=False)
    type: str = "text"
    priority: int = 5
    send_at: float | None = None
    content: str = field(default="", repr=False)
    asked: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        if not 0 <= self.priority <= 9:
            raise ValueError("priority is 0 to 9")

    @classmethod
    def of(cls, connection: str, chat: str, content: Content, **more: Any) -> Send:
        """A send of this content; `more` are its other fields."""
        encoded = "" if is_plain(content) else encode(content)
        return cls(connection, chat, text_of(content) or "", content.type, content=encoded, **more)

    @property
    def fingerprint(self) -> str:
        """Equal for equal bodies: what an Idempotency-Key is compared by, also across an upgrade.

        A field that a later release adds is in it only where it is given.
        """
        if self.asked:
            body = json.dumps([self.connection, self.chat, self.type, self.asked])
        else:
            later = {each.name: each.default for each in fields(self)[FIRST_FIELDS:]}
            given = {
                name: value
                for name, value in asdict(self).items()
                if name not in later or value != later[name]
            }
            given["content"] = without_preview(self.content)
            body = json.dumps(given, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(body.encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Crash:
    """The end of an owner while it was sending a message."""

    sending_at: float
    """When the owner began to send it."""
    noticed_at: float
    """When its end was noticed."""
    epoch: int
    """The owner's epoch."""
    cause: str
    """`crashed`, `hung` or `broke`, or `unseen` where nobody saw how it ended."""


@dataclass(frozen=True, slots=True)
class Record:
    """A message as the queue knows it.

    `uncertain` says that an attempt was made whose acknowledgement never came: a dead or cancelled
    message with it may have arrived. `retry_at` is when it is tried again, by the clock of its failure. `crashes` are those since the last redrive. `times` holds the time at which each status was last reached.
    `expired_at` is when a dead letter left their list for good. `redacted` says that the message was deleted for everyone, and what it said is gone; `stored` that `text` and `content` are in the state store alone. It is finished, and since `refused_at` the state store refuses its view. `revision` grows with each change of any record of the connection.
    """

    id: str
    message_id: str
    connection: str
    chat: str = field(repr=False)
    type: str
    text: str = field(repr=False)
    priority: int
    status: Status
    attempts: int
    error: str | None
    uncertain: bool
    accepted_at: float
    send_at: float | None = None
    retry_at: float | None = None
    expired_at: float | None = None
    crashes: tuple[Crash, ...] = ()
    times: Mapping[str, float] = field(default_factory=dict)
    revision: int = 0
    content: str = field(default="", repr=False)
    redacted: bool = False
    stored: bool = False
    refused_at: float | None = None

    @property
    def decoded(self) -> Content | None:
        """The whole content; None once it is `redacted` or `stored`. Raises `UnknownContent`."""
        return None if self.redacted or self.stored else _decoded(self.content, self.text)

    @property
    def timestamp(self) -> float:
        """The time that the message bears for others, the same at each attempt."""
        return _timestamp(self.accepted_at, self.send_at)

    def refuses(self, change: Change | Star, now: float) -> str | None:
        """The code of why this change of the message has no effect any more; None if it may."""
        if self.status in {"dead", "cancelled"}:
            return "target_not_sent"
        sent = self.times.get("sent")
        if isinstance(change, Edit) and sent is not None and now > sent + EDIT_SECONDS + EDIT_GRACE:
            return "edit_too_late"
        return None

    @property
    def changed_at(self) -> float:
        """The time of the last change of its status."""
        return max([self.accepted_at, *self.times.values()])


@dataclass(frozen=True, slots=True)
class ClaimedMessage:
    """One attempt to make. `attempts` counts it in, and no attempt that a crash cut off.

    `timestamp` is that of its record.
    """

    id: str
    message_id: str
    chat: str = field(repr=False)
    type: str
    text: str = field(repr=False)
    attempts: int
    crashes: int = 0
    content: str = field(default="", repr=False)
    timestamp: float | None = None

    @property
    def decoded(self) -> Content:
        """The whole content. Raises `UnknownContent`."""
        return _decoded(self.content, self.text)


@dataclass(frozen=True, slots=True)
class Accepted:
    """The answer to a send; `replayed` when its Idempotency-Key names a message that was accepted before."""

    record: Record
    replayed: bool


@dataclass(frozen=True, slots=True)
class Claim:
    """Messages to attempt now, and when the next held-back one is due (None: none is).

    `unnamed` are LIDs whose alias Redis may have dropped: nothing is claimed until `rename` was called for each,
    with the LID itself where no number is known.
    """

    jobs: tuple[ClaimedMessage, ...]
    next_due: float | None
    unnamed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Counts:
    """The queue of a connection. `oldest_at`: since when the oldest unfinished message could leave.

    That is its acceptance, its send_at, when it was sent again, or the end of the limit that held its chat;
    it may be to come. `promote` brings it up to date.

    `waiting` could be claimed or stands behind another; `active` is being sent; `delayed` waits
    for its retry or its send_at.
    """

    waiting: int
    active: int
    delayed: int
    dead: int
    oldest_at: float | None


CONNECTION_COUNTERS = (
    "queued",
    "sent",
    "delivered",
    "read",
    "dead",
    "cancelled",
    "retries",
    "cut_off",
    "redriven",
    "revived",
)
"""Counters of the scripts for each connection; `revived` are finished messages that were sent after all."""

TOOK = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)
"""Bounds in seconds of `Flow.took`, as in `scripts/proofs.lua`."""


@dataclass(frozen=True, slots=True)
class Flow:
    """Counters of a connection's messages by outcome, since its queue began.

    `counts` has each of `CONNECTION_COUNTERS`, `open` what is not finished. `took` says how many of those sent
    took how long from when they could leave first: one number for each of `TOOK` and one for more;
    `took_seconds` is the sum. `bytes` is what all records take in Redis, those of finished messages too.
    """

    counts: Mapping[str, int]
    open: int
    took: tuple[int, ...]
    took_seconds: float
    bytes: int = 0

    @property
    def unaccounted(self) -> int:
        """Messages that were in the queue and are nowhere now: 0, or something was lost (G2)."""
        of = self.counts
        came = of["queued"] + of["redriven"] + of["revived"]
        return came - of["sent"] - of["dead"] - of["cancelled"] - self.open


def flow_of(counters: Mapping[str, str], opened: int) -> Flow:
    """The counters in a Redis hash."""
    return Flow(
        counts={name: int(counters.get(f"count:{name}", 0)) for name in CONNECTION_COUNTERS},
        open=opened,
        took=tuple(int(counters.get(f"took:{n}", 0)) for n in range(1, len(TOOK) + 2)),
        took_seconds=int(counters.get("took:ms", 0)) / 1000,
        bytes=int(counters.get("bytes", 0)),
    )


def mint() -> str:
    """A WhatsApp message id as WhatsApp Web makes them: ``3EB0`` and 18 upper-case hex digits.

    By chance alone, so that no id comes again, whatever is forgotten.
    """
    return f"3EB0{secrets.token_hex(9).upper()}"


def api_id(connection: str, message_id: str) -> str:
    """The id by which the API knows an outgoing message; it names the connection."""
    return f"{connection}.{message_id}"


def split_id(id: str) -> tuple[str, str] | None:  # noqa: A002 - the field's word
    """Connection and message id of an API id; None if it is not the id of an outgoing message."""
    connection, _, message_id = id.partition(".")
    if not is_connection(connection) or MINTED.match(message_id) is None:
        return None
    return connection, message_id


def own_id(connection: str, id: str) -> str:  # noqa: A002 - the field's word
    """WhatsApp's id in the API id of a message of `connection`; raises `ValueError` for another's."""
    names = split_id(id)
    if names is None or names[0] != connection:
        raise ValueError("not a message of this connection")
    return names[1]


def job_of(connection: str, row: Sequence[Any]) -> ClaimedMessage:
    """Decode what a claim hands out (`job` in `scripts/claims.lua`)."""
    message_id, chat, type_, text, content, attempts, cut, crashes, _, accepted_at, send_at = row
    return ClaimedMessage(
        id=api_id(connection, message_id),
        message_id=message_id,
        chat=chat,
        type=type_,
        text=text,
        attempts=int(attempts) - int(cut or 0),
        crashes=int(crashes or 0),
        content=content or "",
        timestamp=_timestamp(float(accepted_at), _time(send_at)),
    )


def record_of(connection: str, message_id: str, fields: Mapping[str, str]) -> Record:
    """Decode the hash ``teimoso:{connection}:message:ID`` (written by `scripts/lanes.lua`)."""
    status = fields["status"]
    assert status in STATUSES
    times: dict[str, float] = {
        name: float(at) for name, field in _TIMES if (at := fields.get(field))
    }
    return Record(
        id=api_id(connection, message_id),
        message_id=message_id,
        connection=connection,
        chat=fields["chat"],
        type=fields["type"],
        text=fields["text"],
        priority=int(fields["priority"]),
        status=status,
        attempts=int(fields["attempts"]),
        error=fields.get("error"),
        uncertain=fields.get("uncertain") == "1",
        accepted_at=float(fields["accepted_at"]),
        send_at=_time(fields.get("send_at")),
        retry_at=_time(fields.get("retry_at")),
        expired_at=_time(fields.get("expired_at")),
        crashes=_crashes(fields.get("crash_log") or ""),
        times=times,
        revision=int(fields["revision"]),
        content=fields.get("content") or "",
        redacted=fields.get("redacted") == "1",
        stored=fields.get("stored") == "1",
        refused_at=_time(fields.get("refused_at")),
    )


def _timestamp(accepted_at: float, send_at: float | None) -> float:
    """The time of acceptance, or `send_at` where that is later."""
    return max(accepted_at, send_at or 0.0)


def _decoded(content: str, text: str) -> Content:
    return decode(content) if content else Text(text)


def _crashes(log: str) -> tuple[Crash, ...]:
    found = (line.split(" ", 3) for line in log.splitlines())
    return tuple(Crash(float(at), float(seen), int(epoch), why) for at, seen, epoch, why in found)


def _time(value: str | None) -> float | None:
    return float(value) if value else None
