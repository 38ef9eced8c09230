"""Messages that arrive, written as the StateManager writes them; told events aged, and awaited."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from actors.state.documents import EVENTS
from actors.state.messages.received import incoming, storing
from tests.integration.gateway.served import SHOP
from tests.waiting import eventually

if TYPE_CHECKING:
    from actors.state.documents import Documents, Write
    from tests.integration.gateway.receiver import Receiver

SOON = 30.0
"""Seconds within which a delivery has to arrive."""

ANA = "15550100002@s.whatsapp.net"


def received(number: int, source: str = "live", more: str = "") -> dict[str, Any]:
    """What a connection's inbox has of the message of this number."""
    return {
        "key": number,
        "chat": ANA,
        "sender": ANA,
        "message_id": f"3EB0{number:06d}",
        "at": 1_764_000_000 + number,
        "type": "text",
        "text": f"text {number}{more}",
        "source": source,
    }


def arriving(number: int, connection: str = SHOP, source: str = "live", more: str = "") -> Write:
    """The write that stores the message of this number; its text is ``text NUMBER`` and `more`."""
    return storing(incoming(connection, received(number, source, more), 1_764_000_000.5 + number))


async def tell(
    documents: Documents,
    first: int,
    count: int = 1,
    connection: str = SHOP,
    *,
    size: int = 10,
    more: str = "",
) -> list[str]:
    """Store messages of these numbers, `size` in a batch; their texts."""
    numbers = range(first, first + count)
    for begin in range(0, count, size):
        part = numbers[begin : begin + size]
        await documents.batch([arriving(number, connection, more=more) for number in part])
    return [f"text {number}{more}" for number in numbers]


async def age(documents: Documents, text: str, seconds: float) -> None:
    """Make the events of which one has this text older."""
    (pack,) = (each for each in (await documents.query(EVENTS)).items if text in each["events"])
    await documents.set(EVENTS, pack["id"], {"at": pack["at"] - seconds}, merge=True)


async def arrived(receiver: Receiver, wanted: list[str], within: float = SOON) -> None:
    await eventually("all is delivered", lambda: set(wanted) <= set(receiver.texts), within)
