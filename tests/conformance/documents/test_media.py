"""Outcomes of files, on all stores: repeats, any order, and merged chats (G5)."""

from __future__ import annotations

from dataclasses import asdict, replace
from itertools import permutations
from typing import TYPE_CHECKING

from actors.connection.engine import InboxFile, InboxMessage
from actors.messages.content import File, Image, encode
from actors.state.documents import MESSAGES
from actors.state.messages.file_states import settling
from actors.state.messages.received import incoming, moving, storing

if TYPE_CHECKING:
    from actors.state.documents import Documents

CHAT, LID = "15550100002@s.whatsapp.net", "90000000000002@lid"
MESSAGE = InboxMessage(
    *(7, CHAT, CHAT, "A", 1_764_000_000, "image", "look"),
    content=encode(Image(File("ab" * 32, 5, "image/png"), "look")),
)


async def test_it_is_in_the_document_in_any_order(documents: Documents) -> None:
    for number, order in enumerate(permutations(range(3))):
        message = replace(MESSAGE, message_id=f"M{number}")
        name = (message.chat, message.sender, message.message_id)
        told = incoming("shop", asdict(message), 5.0)
        writes = [
            storing(told),
            settling("shop", asdict(InboxFile(8, *name, "failed", "media_gone")), 6.0),
            settling("shop", asdict(InboxFile(9, *name, "stored")), 6.0),
        ]
        for index in (*order, *order):
            await documents.batch([writes[index]])
        expected = {**told, "media": {"state": "stored", "error": None}}
        assert await documents.get(MESSAGES, told["id"]) == expected


async def test_it_moves_with_a_chat_that_is_merged(documents: Documents) -> None:
    by_lid = incoming("shop", asdict(replace(MESSAGE, chat=LID, sender=LID)), 5.0)
    told = incoming("shop", asdict(MESSAGE), 5.0)
    failed = InboxFile(9, LID, LID, "A", "failed", "media_gone")
    await documents.batch([storing(by_lid), settling("shop", asdict(failed), 6.0)])
    there = await documents.get(MESSAGES, by_lid["id"])
    assert there is not None
    for _ in range(2):
        await documents.batch([storing(told), *moving(there, LID, CHAT)])
        expected = {**told, "media": {"state": "failed", "error": "media_gone"}}
        assert await documents.get(MESSAGES, told["id"]) == expected
        assert await documents.get(MESSAGES, by_lid["id"]) is None
