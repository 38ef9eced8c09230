"""Builds the writes that mirror a queued message in SQLite or Firestore: its job, message and changed message (pure).

Two incarnations of the QueueActor may write at once, so each document says which revision it
shows, and an older one never replaces a newer.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, TypedDict

from actors.messages.content import (
    NOTICES,
    Change,
    Delete,
    Edit,
    Pin,
    PollVote,
    Reaction,
    ReadMark,
    UnknownContent,
    pack,
)
from actors.state.account import chat_activity
from actors.state.documents import JOBS, MESSAGES, Document, Write
from actors.state.events.derivation import of_message
from actors.state.fields import API, is_ahead
from actors.state.messages.applied_changes import ME, noting

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.queue.records import Crash, Record
    from actors.state.messages.message_document import MessageDocument


class JobDocument(TypedDict):
    """The state of a message to be sent: no text, no chat."""

    connection: str
    """The connection's id."""
    status: str
    """As of a message."""
    attempts: int
    """Attempts begun since the last redrive."""
    crashes: list[Crash]
    """The ends of its owners while they sent it."""
    error: str | None
    """The code of the last error."""
    uncertain: bool
    """Whether it ended unsent, and an attempt may have arrived."""
    priority: int
    """0 first, 9 last."""
    accepted_at: float
    updated_at: float
    """When it was accepted, and when this last changed."""
    expired_at: float | None
    """When it left the list of dead letters for good."""
    revision: int
    """Rises with each change; an older one replaces no newer."""


JOB_ORDER = ("accepted_at", "revision")
PROVEN = frozenset({"sent", "delivered", "read"})


def writes(records: Sequence[Record], *, billed: bool = False) -> list[Write]:
    """Two writes a record, and one for the message that it changed, to be done in one batch.

    Where each document is paid for, a message that was sent before anybody saw it wait is no job. A
    notice is no message: it has a job alone, once it is a dead letter.
    """
    # Revisions begin anew in an emptied Redis; a message accepted again there is the later one.
    return [
        write
        for record in records
        for write in (
            _job_change(record)
            if (record.status in PROVEN and billed) or _is_passing(record)
            else Write("advance", JOBS, record.id, job(record), by=JOB_ORDER),
            *(_read(record) if _is_notice(record) else _shown(record)),
        )
    ]


def without_words(record: Record) -> list[Write]:
    """The writes of a record whose words the store does not take: no text, no content, no change of another."""
    shown = {**message(record), "text": None, "content": None}
    by, keep = ("at", "revision"), _preserved(record)
    advance = Write("advance", MESSAGES, record.id, shown, by=by, keep=keep, events=of_message)
    return [Write("advance", JOBS, record.id, job(record), by=JOB_ORDER), advance]


def is_unknown(record: Record) -> bool:
    """Whether only a newer release knows its content, so that the view lacks it."""
    try:
        _ = record.decoded
    except UnknownContent:
        return True
    return False


def _is_notice(record: Record) -> bool:
    return record.type in NOTICES


def _is_passing(record: Record) -> bool:
    """Whether it is a notice that nobody has to look at."""
    return _is_notice(record) and record.status != "dead"


def _shown(record: Record) -> list[Write]:
    """The document of the message, and what it changed in another one."""
    shown = Write(
        "advance",
        MESSAGES,
        record.id,
        message(record),
        by=("at", "revision"),
        keep=_preserved(record),
        events=of_message,
    )
    activity = chat_activity.of_message(shown.data, record.id)
    return [shown, *changing(record), *chat_activity.noting(record.connection, [activity])]


def _read(record: Record) -> list[Write]:
    """The write that notes that a read mark reached WhatsApp."""
    if record.type != ReadMark.type or record.status not in PROVEN:
        return []
    return [chat_activity.reading(record.connection, record.chat, record.accepted_at)]


def _preserved(record: Record) -> tuple[str, ...]:
    """Return the fields that the document keeps, since the record does not have them."""
    stored = record.stored and not record.redacted
    return ("changes", "text", "content") if stored else ("changes",)


def _job_change(record: Record) -> Write:
    new = job(record)

    def change(there: Document | None) -> Document | None:
        return None if there is None or is_ahead(there, new, JOB_ORDER) else new

    return Write("change", JOBS, record.id, change=change)


def changing(record: Record) -> list[Write]:
    """The write that notes in another message what this one changed, once WhatsApp has it."""
    change = _change(record)
    if change is None or record.status not in PROVEN:
        return []
    if isinstance(change, Reaction | PollVote | Pin):
        change = replace(change, at_ms=int(record.timestamp * 1000))
    return [
        noting(
            record.connection,
            record.chat,
            change,
            who=ME,
            at=record.times.get("sent", record.accepted_at),
            message_id=record.message_id,
            news=True,
        )
    ]


def deleted(records: Sequence[Record]) -> list[tuple[str, str]]:
    """Connection and WhatsApp's id of the messages of this service that these deleted."""
    return [
        (record.connection, change.target.message_id)
        for record in records
        if record.status in PROVEN
        and isinstance(change := _change(record), Delete)
        and change.target.sender is None
    ]


def _change(record: Record) -> Change | None:
    try:
        content = record.decoded if record.content else None
    except UnknownContent:
        return None  # a newer release accepted it, and notes it
    return content if isinstance(content, Change) else None


def _content(record: Record) -> Document | None:
    """As the document has it: the words of an edit are in the message that it changed."""
    try:
        content = record.decoded if record.content else None
    except UnknownContent:
        return None
    if content is None:
        return None
    packed = pack(content)
    if isinstance(content, PollVote):
        packed.pop("secret", None)  # it stands with the poll
    if isinstance(content, Edit) and record.status in PROVEN:
        del packed["text"]
    return packed


def job(record: Record) -> Document:
    """The document of ``message_queue_jobs``."""
    return {
        "connection": record.connection,
        "status": record.status,
        "attempts": record.attempts,
        "crashes": [asdict(crash) for crash in record.crashes],
        "error": record.error,
        "uncertain": record.uncertain,
        "priority": record.priority,
        "expired_at": record.expired_at,
        "accepted_at": record.accepted_at,
        "updated_at": record.changed_at,
        "revision": record.revision,
    }


def message(record: Record) -> Document:
    """The document of ``whatsapp_messages``, listed by the time of acceptance."""
    document: MessageDocument = {
        "message_id": record.message_id,
        "connection": record.connection,
        "chat": record.chat,
        "direction": "out",
        "type": record.type,
        "text": None if record.redacted or not record.text else record.text,
        "content": _content(record),
        "status": record.status,
        "attempts": record.attempts,
        "error": record.error,
        "uncertain": record.uncertain,
        "crashes": [asdict(crash) for crash in record.crashes],
        "source": API,
        "from_me": True,
        "priority": record.priority,
        "send_at": record.send_at,
        "at": record.accepted_at,
        "revision": record.revision,
    }
    return {**document, **{f"{status}_at": at for status, at in record.times.items()}}
