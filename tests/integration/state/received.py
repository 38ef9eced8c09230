"""Messages as an inbox has them, and as they are stored."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from actors.connection.engine import InboxMessage
from actors.state.documents import MESSAGES, Order, Where

if TYPE_CHECKING:
    from actors.state.documents import Documents

CHAT, LID = "15550100002@s.whatsapp.net", "90000000000002@lid"


def item(number: int, **fields: Any) -> dict[str, Any]:
    message = InboxMessage(
        key=number,
        chat=CHAT,
        sender=CHAT,
        message_id=f"3EB0{number:04X}",
        at=1_764_000_000 + number,
        type="text",
        text=f"token {number}",
    )
    return asdict(replace(message, **fields))


def by_lid(number: int, **fields: Any) -> dict[str, Any]:
    return item(number, **{"chat": LID, "sender": LID, **fields})


async def stored(documents: Documents, connection: str = "shop") -> list[dict[str, Any]]:
    where = [Where("connection", "==", connection)]
    return (await documents.query(MESSAGES, where=where, order=[Order("at")])).items
