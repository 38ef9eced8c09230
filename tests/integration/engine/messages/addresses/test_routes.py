"""Direct messages name everybody by LID, and a contact who shows no number gets answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from actors.connection.engine import SendRequest
from actors.messages.content import Reaction, Target, Text
from tests import traced
from tests.integration.engine.simulated import (
    ACCOUNT,
    CONTACT,
    Device,
    Simulator,
    chat,
    device,
    message_id,
    pair,
    until,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HIDING = "15550100003"


def servers(line: dict[str, Any]) -> Iterator[str]:
    """Kinds of the addresses that a stanza has, but for the number that goes along with a LID."""
    for name, value in line.get("attrs", {}).items():
        if name in ("to", "jid", "participant", "recipient"):
            yield value.partition(":")[0]
    for part in line.get("parts", ()):
        yield from servers(part)


async def got(simulator: Simulator, contact: str, *texts: str) -> None:
    async def look() -> bool:
        items = await simulator.inbox(contact)
        return [(one["text"], one["deliveries"]) for one in items] == [(one, 1) for one in texts]

    await until(look)


async def arrived(phone: Device, text: str) -> Any:
    async def look() -> Any:
        return next((one for one in await phone.messages() if one.text == text), None)

    return await until(look)


async def test_no_direct_message_mixes_lids_and_numbers(
    simulator: Simulator, tmp_path: Path
) -> None:
    """To who shows a number, to who shows none, with a companion of either side (rows 8, 9)."""
    trace = tmp_path / "logs" / "trace" / "shop.jsonl"
    hidden = f"{(await simulator.played(HIDING))['lid']}@lid"
    async with device(simulator, tmp_path, whatsapp_trace=True) as phone:
        await pair(simulator, phone)
        own = await simulator.link(ACCOUNT)
        linked = await simulator.link(CONTACT)
        await simulator.fault("conceal")
        await simulator.address(HIDING, "lid")
        await simulator.say(HIDING, ACCOUNT, "guess who")
        asked = await arrived(phone, "guess who")
        assert asked.chat == hidden
        await phone.send(1, "to a number")
        await phone.send(2, "to a LID", to=hidden)
        reaction = Reaction(Target(asked.message_id, hidden), "+")
        await phone.engine.send(SendRequest(message_id(3), hidden, reaction))
        await got(simulator, CONTACT, "to a number")

        async def copies() -> bool:
            found = {one["text"]: one["devices"] for one in await simulator.copies()}
            return [found.get(text) for text in ("to a number", "to a LID")] == [[0, own]] * 2

        await until(copies)
        items = await simulator.inbox(CONTACT)
        assert [one["devices"] for one in items] == [[0, linked]]
        await phone.engine.typing(chat(CONTACT), "composing")
        await phone.engine.subscribe(chat(CONTACT))
        assert phone.engine._session.sent.wire(chat(CONTACT), message_id(1)) == "lid"
    sent = traced.stanzas(trace, "out", "message")
    assert len(sent) == 3
    assert [set(servers(line)) for line in sent] == [{"lid"}] * 3
    assert ["peer_recipient_pn" in line["attrs"] for line in sent] == [True, False, False]
    states = traced.stanzas(trace, "out", "chatstate")
    states += traced.stanzas(trace, "out", "presence", type="subscribe")
    assert [set(servers(line)) for line in states] == [{"lid"}] * 2
    assert "from" not in states[0]["attrs"]


async def test_a_conversation_goes_on_by_lid_where_it_was_by_number(
    simulator: Simulator, tmp_path: Path
) -> None:
    """An account that learns the LIDs of its chats loses no session, chat or receipt."""
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
        await phone.send(1, "before")
        await simulator.say(CONTACT, ACCOUNT, "hello")
        await arrived(phone, "hello")
        await simulator.address(CONTACT, "lid")
        await simulator.say(CONTACT, ACCOUNT, "by LID")
        assert (await arrived(phone, "by LID")).chat == chat(CONTACT)
        await phone.engine.send(SendRequest(message_id(2), chat(CONTACT), Text("after")))
        await got(simulator, CONTACT, "before", "after")
        assert phone.engine.counts["message.asked_for"] == 0
        assert phone.engine.counts["resend.resent"] == 0, "the session is the same"

        async def receipted() -> bool:
            receipts = {number for one in await phone.receipts() for number in one.message_ids}
            return {message_id(1), message_id(2)} <= receipts

        await until(receipted)
        assert {one.chat for one in await phone.receipts()} == {chat(CONTACT)}
