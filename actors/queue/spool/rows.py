"""Encodes sends as rows of the spool's SQLite file, and decodes rows, also those of other releases (pure)."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from actors.queue.message_bytes import KEYED, MIN_MESSAGE_BYTES
from actors.queue.records import Record, Send, api_id, split_id

if TYPE_CHECKING:
    from collections.abc import Sequence

OVERHEAD: Final = MIN_MESSAGE_BYTES + KEYED
"""Bytes that a message takes in Redis beside its send at most, but for the name of its connection in three keys."""

SPOOL_UNREADABLE = "spool_unreadable"
"""The error of messages whose row no longer holds a send."""


class NotASend(ValueError):  # noqa: N818 - reads as what it is
    """The row does not hold what `Spool.put` wrote."""


@dataclass(frozen=True, slots=True)
class Spooled:
    """A send on disk. `place` rises with the order of acceptance on this host, `weight` are its bytes in Redis at most."""

    place: int
    message_id: str
    accepted_at: float
    idempotency_key: str | None
    weight: int
    send: Send = field(repr=False)

    @property
    def record(self) -> Record:
        """As the queue will know it."""
        return Record(
            id=api_id(self.send.connection, self.message_id),
            message_id=self.message_id,
            connection=self.send.connection,
            chat=self.send.chat,
            type=self.send.type,
            text=self.send.text,
            priority=self.send.priority,
            status="queued",
            attempts=0,
            error=None,
            uncertain=False,
            accepted_at=self.accepted_at,
            send_at=self.send.send_at,
            times={"queued": self.accepted_at},
            content=self.send.content,
        )


def weight_of(connection: str, content: str | bytes) -> int:
    """Return the bytes that an encoded send takes in Redis at most."""
    content = content.encode() if isinstance(content, str) else content
    return OVERHEAD + 3 * len(connection) + len(content)


def spooled_of(row: Sequence[Any]) -> Spooled:
    """Decode place, id, connection, chat, time of acceptance, key and send. Raises `NotASend`.

    Texts come as bytes: SQLite gives up on one that is no UTF-8.
    """
    place, identity, connection, chat, accepted_at, key, content = row
    try:
        names = split_id(identity.decode())
        fields = json.loads(content.decode())
        send = Send(**fields)
        _check(send)
        accepted_at = float(accepted_at)
        same = (names or ("",))[0] == send.connection == connection.decode()
        if (
            names is None
            or not same
            or send.chat != chat.decode()
            or not math.isfinite(accepted_at)
        ):
            raise NotASend
        key = None if key is None else key.decode()
        weight = weight_of(send.connection, content)
        return Spooled(place, names[1], accepted_at, key, weight, send)
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise NotASend from None  # its cause could quote what was to be sent


def _check(send: Send) -> None:
    texts = (send.connection, send.chat, send.text, send.type, send.content, send.asked)
    if not all(isinstance(text, str) for text in texts) or not send.chat:
        raise TypeError
    for text in texts:
        text.encode()  # a lone surrogate is JSON, and no text that Redis takes
    if type(send.priority) is not int:
        raise TypeError
    if send.send_at is not None and not math.isfinite(send.send_at):
        raise ValueError


def ended(row: Sequence[Any], now: float) -> Record | None:
    """The ending of a message whose row is no send, as far as `id`, `chat` and `accepted_at` can be read.

    None where not even its id does. An accepted message ends visibly (G2).
    """
    identity, chat, accepted_at = row
    names = split_id(identity.decode(errors="replace")) if isinstance(identity, bytes) else None
    if names is None:
        return None
    valid = isinstance(accepted_at, float) and math.isfinite(accepted_at)
    return Record(
        id=api_id(*names),
        message_id=names[1],
        connection=names[0],
        chat=chat.decode(errors="replace") if isinstance(chat, bytes) else "",
        type="text",
        text="",
        priority=5,
        status="cancelled",
        attempts=0,
        error=SPOOL_UNREADABLE,
        uncertain=False,
        accepted_at=accepted_at if valid else now,
        times={"cancelled": now},
    )
