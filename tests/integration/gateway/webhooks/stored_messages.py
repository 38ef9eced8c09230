"""Messages that arrive, written as the StateManager writes them; events made older, and awaited."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from actors.state.documents import EVENTS
from actors.state.messages.received import incoming, storing
from tests.integration.gateway.served import SHOP
from tests.waits import eventually

if TYPE_CHECKING:
    from actors.state.documents import Documents, Write
    from tests.integration.gateway.receiver import Receiver

SOON = 30.0
"""Seconds within which a delivery has to arrive."""

ANA = "15550100002@s.whatsapp.net"


def chat_of(contact: int) -> str:
    """The chat with the contact of this number, 0 to 99."""
    return f"155501101{contact:02d}@s.whatsapp.net"


def received(number: int, source: str = "live", more: str = "", chat: str = ANA) -> dict[str, Any]:
    """Returns the message of this number as a connection's inbox has it."""
    return {
        "key": number,
        "chat": chat,
        "sender": chat,
        "message_id": f"3EB0{number:06d}",
        "at": 1_764_000_000 + number,
        "type": "text",
        "text": f"text {number}{more}",
        "source": source,
    }


def arriving(
    number: int, connection: str = SHOP, source: str = "live", more: str = "", chat: str = ANA
) -> Write:
    """The write that stores the message of this number; its text is ``text NUMBER`` and `more`."""
    message = received(number, source, more, chat)
    return storing(incoming(connection, message, 1_764_000_000.5 + number))


async def store_messages(
    documents: Documents,
    first: int,
    count: int = 1,
    connection: str = SHOP,
    *,
    size: int = 10,
    more: str = "",
    chats: int = 0,
) -> list[str]:
    """Store messages of these numbers, `size` in a batch; their texts.

    All are Ana's; with `chats` they are of so many contacts in turn.
    """
    numbers = range(first, first + count)
    for begin in range(0, count, size):
        part = numbers[begin : begin + size]
        chat = [chat_of(number % chats) if chats else ANA for number in part]
        await documents.batch(
            [
                arriving(number, connection, more=more, chat=of)
                for number, of in zip(part, chat, strict=True)
            ]
        )
    return [f"text {number}{more}" for number in numbers]


async def age(documents: Documents, text: str, seconds: float) -> None:
    """Make the events of which one has this text older."""
    (pack,) = (each for each in (await documents.query(EVENTS)).items if text in each["events"])
    await documents.set(EVENTS, pack["id"], {"at": pack["at"] - seconds}, merge=True)


async def arrived(receiver: Receiver, wanted: list[str], within: float = SOON) -> None:
    await eventually("all is delivered", lambda: set(wanted) <= set(receiver.texts), within)
