"""Waits within a send request for the message's outcome in Redis; cancels an unsent one where the queue is disabled.

With MESSAGE_QUEUE_ENABLED=false it is sent meanwhile, or not at all. It passes through its lane as
any other does, which keeps its chat's order (G4) and its one owner (G6), but nothing waits there: a message
that is not sent in time is cancelled, and the answer says so. The price: nothing is kept for a
connection or a Redis that is away, and nothing is sent later.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from actors.queue.outbound_queue import NotCancellable, NotFound, RedisAway
from gateway.http.problems import Problem
from gateway.schemas import presenters
from gateway.schemas.content.outbound_messages import ChangeMessage
from gateway.schemas.texts import error_texts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from actors.queue.outbound_queue import Record
    from gateway.backends import Backends
    from gateway.schemas.content.outbound_messages import QueuedMessage

DEFAULT_WAIT = 30.0
"""Seconds until a message that is not sent is cancelled, where `wait` says nothing else."""

_FIRST_LOOK, _LAST_LOOK = 0.05, 0.25  # seconds between looks

_NOT_SENT = "It was cancelled; nothing of it is sent later."
_ENDED = {
    "dead": ("message_dead", "It is a dead letter, and is sent again only if it is redriven."),
    "cancelled": ("message_cancelled", "It was cancelled before it was sent."),
}
"""The problem of each status in which a message ended without being sent: its code, and its last sentence."""

_AWAY = "Redis stopped answering; the message may have been sent, or still be."


def lost() -> Problem:
    """Redis went away under a message."""
    return Problem("redis_away", _AWAY, uncertain=True)


def require_now(wanted: QueuedMessage | ChangeMessage) -> None:
    """Problem `queue_disabled` for what would have to wait."""
    if not isinstance(wanted, ChangeMessage) and wanted.send_at is not None:
        raise Problem(
            "queue_disabled",
            "With MESSAGE_QUEUE_ENABLED=false nothing is sent later. Set it to true, or leave out send_at.",
        )


async def reached(backends: Backends, record: Record, seconds: float) -> Record:
    """The record once it is sent, dead or cancelled, or as it is when time is up.

    It was accepted: an outage of Redis or the end of this process is no refusal any more.
    """
    if record.send_at is not None and record.send_at > time.time() + seconds:
        return record  # nothing can come of waiting
    deadline = time.monotonic() + seconds
    pause = _FIRST_LOOK
    while (
        record.status not in presenters.FINAL_STATUSES and (left := deadline - time.monotonic()) > 0
    ):
        try:
            async with asyncio.timeout(min(pause, left)):
                await backends.closing.wait()
            break
        except TimeoutError:
            pause = min(pause * 1.5, _LAST_LOOK)
        try:
            record = await backends.lanes.reader.get(record.id) or record
        except RedisAway:
            continue
    return record


async def settled(backends: Backends, record: Record, wait: float) -> Record:
    """The record once WhatsApp has it, or its end; Problem `not_sent` if it was cancelled instead.

    One that is on its way cannot be taken back: it is waited for once more, and may then still be
    ``sending``. Problem `redis_away`, `uncertain`, if nobody can say.
    """
    record = await reached(backends, record, wait or DEFAULT_WAIT)
    if record.status not in presenters.FINAL_STATUSES:
        try:
            record = await backends.lanes.cancel(record.id)
        except NotCancellable:
            record = await reached(backends, record, wait or DEFAULT_WAIT)
        except (NotFound, RedisAway):
            raise lost() from None
    if record.status == "cancelled":
        raise Problem("not_sent", _NOT_SENT)
    return record


def require_not_ended(record: Record, headers: Mapping[str, str]) -> None:
    """Problem `message_dead` or `message_cancelled`, with these headers, for a message that is not sent any more.

    `message` of the problem has the fields of an accepted message, with its status and error.
    """
    if record.status not in _ENDED:
        return
    code, end = _ENDED[record.status]
    detail = end if record.status == "cancelled" else f"{error_texts.sentence(record.error)} {end}"
    message = {
        "id": record.id,
        "message_id": record.message_id,
        "status": record.status,
        "error": record.error,
    }
    uncertain = {"uncertain": True} if record.uncertain else {}
    raise Problem(code, detail, headers=headers, message=message, **uncertain)
