"""Changes in a session by stanzas; the sender is a second session of the same code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from actors.connection.protocol.receive import wrappers
from actors.connection.protocol.receive.messages.stanza_result import StanzaResult
from actors.connection.protocol.wire_format.nodes import Node, proto
from actors.messages.content import Edit, Reaction, Target, decode
from tests.unit.actors.connection.native.receiving_device import (
    ACCOUNT,
    CONTACT,
    CONTACT_LID,
    World,
    answers_of,
    garbled,
    met,
    text,
)
from tests.unit.actors.connection.protocol.media.test_reupload_request import notification

if TYPE_CHECKING:
    from pathlib import Path


async def test_a_message_is_stored_once_and_acknowledged_each_time(receiver: World) -> None:
    """G5: the second time it is not decrypted, and the tombstone answers after settling, too."""
    stanza = await receiver.message(text("hi"))
    first = await receiver.take(stanza)
    assert (answers_of(first), first.news) == ([("ack", None), ("receipt", None)], True)
    (message,) = receiver.messages()
    assert (message.text, message.at, message.push_name) == ("hi", 900, "Name")
    async with receiver.session.transaction():
        receiver.session.inbox.settle([message.key])
    again = await receiver.take(garbled(stanza))
    assert (again.answers, again.news) == (first.answers, False)
    assert receiver.messages() == []


async def test_a_message_by_lid_is_the_persons_under_the_phone_number(receiver: World) -> None:
    for n, attrs in enumerate(
        (
            {"from_": CONTACT_LID, "sender_pn": CONTACT},
            {"from_": CONTACT_LID},
            {"from_": CONTACT, "sender_lid": CONTACT_LID},
        )
    ):
        await receiver.take(await receiver.message(text(f"{n}"), **attrs))
    assert [(one.chat, one.sender, one.text) for one in receiver.messages()] == [
        (CONTACT, CONTACT, f"{n}") for n in range(3)
    ]


async def test_what_came_by_lid_is_the_phone_numbers_once_that_is_known(receiver: World) -> None:
    """One session, one conversation, one tombstone, for messages by both addresses."""
    first = await receiver.message(text("unknown"), from_=CONTACT_LID)
    lost = garbled(await receiver.message(text("lost"), from_=CONTACT_LID))
    await receiver.take(first)
    await receiver.take(lost)
    assert [one.chat for one in receiver.messages()] == [CONTACT_LID]
    await receiver.take(await receiver.message(text("known"), from_=CONTACT_LID, sender_pn=CONTACT))
    assert [(one.chat, one.sender, one.text) for one in receiver.messages()] == [
        (CONTACT, CONTACT, "unknown"),
        (CONTACT, CONTACT, "known"),
    ]
    for address in (CONTACT, CONTACT_LID):
        again = Node("message", {**first.attrs, "from": address}, first.content)
        assert (await receiver.take(again)).counted == "message.repeated"
    await receiver.afresh()
    resent = await receiver.message(text("lost"), id=lost.attrs["id"])
    assert (await receiver.take(resent)).news
    assert not receiver.session.inbox.wants()
    assert [one.text for one in receiver.messages()] == ["unknown", "lost", "known"]


@pytest.mark.parametrize(
    "attrs",
    [
        pytest.param({"recipient": CONTACT}, id="recipient in the stanza"),
        pytest.param({}, id="destination in the message only"),
    ],
)
async def test_what_the_own_phone_sent(receiver: World, attrs: dict[str, str]) -> None:
    plaintext = wrappers.device_sent(text("from the phone"), CONTACT)
    stanza = await receiver.message(plaintext, from_=ACCOUNT, **attrs)
    outcome = await receiver.take(stanza)
    assert answers_of(outcome) == [("ack", None), ("receipt", "sender")]
    (message,) = receiver.messages()
    assert (message.chat, message.sender, message.from_me) == (CONTACT, ACCOUNT, True)
    assert (await receiver.take(garbled(stanza))).news is False
    assert len(receiver.messages()) == 1


@pytest.mark.parametrize("name", ["Shop", "-", "", "x" * 257])
async def test_what_the_account_is_called_is_learned_from_its_own_messages(
    receiver: World, name: str
) -> None:
    """Of its other devices: what a contact is called is not its name."""
    await receiver.take(await receiver.message(text("hi"), notify="Ana"))
    assert receiver.session.push_names.find(ACCOUNT) is None
    plaintext = wrappers.device_sent(text("note"), ACCOUNT)
    await receiver.take(await receiver.message(plaintext, from_=ACCOUNT, notify=name))
    assert receiver.session.push_names.find(ACCOUNT) == ("Shop" if name == "Shop" else None)


async def test_a_note_to_self(receiver: World) -> None:
    stanza = await receiver.message(wrappers.device_sent(text("note"), ACCOUNT), from_=ACCOUNT)
    await receiver.take(stanza)
    assert [(one.chat, one.text, one.from_me) for one in receiver.messages()] == [
        (ACCOUNT, "note", True)
    ]


async def test_a_message_for_the_protocol_leaves_a_tombstone_only(receiver: World) -> None:
    plaintext = proto.Message(protocolMessage={"type": 5}).SerializeToString()
    stanza = await receiver.message(plaintext, from_=ACCOUNT, category="peer")
    outcome = await receiver.take(stanza)
    assert (answers_of(outcome), outcome.news) == ([("ack", None), ("receipt", "peer_msg")], False)
    assert receiver.messages() == []
    assert answers_of(await receiver.take(garbled(stanza))) == answers_of(outcome)


@pytest.mark.parametrize("tag", ["notification", "call"])
async def test_whatever_says_whose_a_lid_is_lets_its_chat_be_merged(
    receiver: World, tag: str
) -> None:
    await receiver.take(await receiver.message(text("unknown"), from_=CONTACT_LID))
    saying = Node(tag, {"id": "A", "from": CONTACT, "sender_lid": CONTACT_LID, "type": "other"})
    assert (await receiver.take(saying)).news
    assert len(receiver.session.inbox.pending("merge", 10)) == 1
    assert not (await receiver.take(saying)).news


@pytest.mark.parametrize("t", ["9" * 20, "9" * 5000, "²", "-1", "nonsense"])
async def test_a_time_that_is_none_is_the_time_of_arrival(receiver: World, t: str) -> None:
    """SQLite takes 64 bits: what it refuses would come again at each login."""
    assert (await receiver.take(Node("receipt", {"id": "A", "t": t, "from": CONTACT}))).news
    assert (await receiver.take(await receiver.message(text("x"), t=t))).news
    assert [one.at for one in receiver.session.inbox.pending("receipt", 10)] == [1000]
    assert [one.at for one in receiver.messages()] == [1000]


@pytest.mark.parametrize("tag", ["message", "receipt", "notification", "call"])
@pytest.mark.parametrize("attrs", [{}, {"id": "A"}, {"from": CONTACT}])
async def test_what_an_ack_cannot_name_is_dropped(
    receiver: World, tag: str, attrs: dict[str, str]
) -> None:
    assert await receiver.take(Node(tag, attrs)) == StanzaResult("stanza.nameless")


async def test_a_call_is_acknowledged(receiver: World) -> None:
    assert answers_of(await receiver.take(Node("call", {"id": "A", "from": CONTACT}))) == [
        ("ack", None)
    ]


async def test_a_change_is_in_the_inbox_before_it_is_acknowledged(receiver: World) -> None:
    """G5: as any message, once, and with whose message it is for."""
    first = await receiver.message(text("hi"))
    await receiver.take(first)
    key = {"fromMe": True, "id": first.attrs["id"], "remoteJid": ACCOUNT}
    edit = proto.Message(
        protocolMessage={"key": key, "type": 14, "editedMessage": {"conversation": "ho"}}
    )
    stanza = await receiver.message(edit.SerializeToString())
    outcome = await receiver.take(stanza)
    assert answers_of(outcome) == [("ack", None), ("receipt", None)]
    message = receiver.messages()[1]
    assert (message.type, message.text) == ("edit", None)
    assert message.content is not None
    assert decode(message.content) == Edit(Target(first.attrs["id"], CONTACT), "ho")
    assert not (await receiver.take(garbled(stanza))).news


async def test_a_change_is_held_until_it_is_stored_elsewhere_as_a_message_is(
    tmp_path: Path,
) -> None:
    """G5 beyond the disk: also when it comes again meanwhile; what changes nothing waits for nothing."""
    async with met(tmp_path, hold=True) as receiver:
        key = {"fromMe": True, "id": "3EB0A1B2C3D4E5F6A7B8C9", "remoteJid": ACCOUNT}
        reaction = proto.Message(reactionMessage={"key": key, "text": "+"})
        stanza = await receiver.message(reaction.SerializeToString())
        outcome = await receiver.take(stanza)
        (change,) = receiver.messages()
        assert (change.type, outcome.held) == ("reaction", change.key)
        assert (await receiver.take(stanza)).held == change.key
        async with receiver.session.transaction():
            receiver.session.inbox.settle([change.key])
        assert (await receiver.take(stanza)).held is None
        forged = proto.Message(protocolMessage={"key": {**key, "fromMe": False}, "type": 0})
        outcome = await receiver.take(await receiver.message(forged.SerializeToString()))
        assert (outcome.counted, outcome.held) == ("message.refused", None)


async def test_who_edits_the_message_of_another_is_refused_and_goes_on(receiver: World) -> None:
    """It is acknowledged, or it would come for ever; its key is used up, as any other's."""
    key = {"fromMe": False, "id": "3EB0A1B2C3D4E5F6A7B8C9", "remoteJid": ACCOUNT}
    forged = proto.Message(protocolMessage={"key": key, "type": 0})
    stanza = await receiver.message(forged.SerializeToString())
    outcome = await receiver.take(stanza)
    assert (outcome.counted, outcome.news) == ("message.refused", False)
    assert answers_of(outcome) == [("ack", None), ("receipt", None)]
    assert (await receiver.take(garbled(stanza))).counted == "message.repeated"
    await receiver.take(await receiver.message(text("hi")))
    assert [one.text for one in receiver.messages()] == ["hi"]


@pytest.mark.parametrize("known", [True, False])
async def test_which_of_the_accounts_messages_is_meant(receiver: World, known: bool) -> None:
    """WhatsApp Web's ids look like those of this service: what came from it is known by its copy."""
    copy = await receiver.message(
        wrappers.device_sent(text("from the web"), CONTACT), from_=ACCOUNT, recipient=CONTACT
    )
    if known:
        await receiver.take(copy)
        await receiver.afresh()
    key = {"fromMe": False, "id": copy.attrs["id"], "remoteJid": ACCOUNT}
    reaction = proto.Message(reactionMessage={"key": key, "text": "+"})
    await receiver.take(await receiver.message(reaction.SerializeToString()))
    said = receiver.messages()[-1].content
    assert said is not None
    sender = ACCOUNT if known else None
    assert decode(said) == Reaction(Target(copy.attrs["id"], sender), "+")


def image(**fields: Any) -> bytes:
    part = {
        "directPath": "/old",
        "mediaKey": bytes(range(32)),
        "fileSha256": b"h" * 32,
        "fileEncSha256": b"s" * 32,
        "fileLength": 5,
        **fields,
    }
    plaintext: bytes = proto.Message(imageMessage=part).SerializeToString()
    return plaintext


async def settled(receiver: World) -> list[tuple[str, str, str | None]]:
    async with receiver.session.transaction():
        receiver.session.inbox.settle([one.key for one in receiver.messages()])
    found = receiver.session.inbox.pending("file", 9)
    return [(one.message_id, one.status, one.error) for one in found]


async def test_a_message_brings_a_transfer_once(receiver: World) -> None:
    stanza = await receiver.message(image())
    outcome = await receiver.take(stanza)
    assert (outcome.counted, outcome.task) == ("message.stored", "file")
    again = await receiver.take(garbled(stanza))
    assert (again.counted, again.task) == ("message.repeated", None)
    (transfer,) = receiver.session.downloads.of_message(stanza.attrs["id"])
    assert (transfer.chat, transfer.sender, transfer.kind) == (CONTACT, CONTACT, "image")
    assert await settled(receiver) == []


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"mediaKey": b""}, "media_unusable"),
        ({"fileSha256": b""}, "media_unusable"),
        ({"viewOnce": True}, "media_view_once"),
    ],
)
async def test_a_message_says_why_its_file_will_not_come(
    receiver: World, fields: dict[str, Any], code: str
) -> None:
    stanza = await receiver.message(image(**fields))
    outcome = await receiver.take(stanza)
    assert (outcome.counted, outcome.task, outcome.news) == ("message.stored", None, True)
    (message,) = receiver.messages()
    assert message.type == "image"
    assert await settled(receiver) == [(stanza.attrs["id"], "failed", code)]
    assert receiver.session.downloads.of_message(stanza.attrs["id"]) == []


async def test_the_phones_answer_is_for_the_transfer_whose_key_it_has(receiver: World) -> None:
    stanza = await receiver.message(image())
    await receiver.take(stanza)
    id_ = stanza.attrs["id"]
    attrs = {"id": id_, "from": ACCOUNT, "type": "mediaretry"}
    for said, counted, path in (
        (notification(id_=id_, inner=id_, key=bytes(32)), "notification.ignored", "/old"),
        (notification(path="no path", id_=id_, inner=id_), "notification.ignored", "/old"),
        (notification(id_=id_, inner=id_), "notification.file", "/new"),
    ):
        outcome = await receiver.take(Node("notification", attrs, said.content))
        assert (answers_of(outcome), outcome.counted) == ([("ack", "mediaretry")], counted)
        (transfer,) = receiver.session.downloads.of_message(id_)
        assert transfer.direct_path == path
    lost = notification(proto.MediaRetryNotification.NOT_FOUND, None, id_=id_, inner=id_)
    outcome = await receiver.take(Node("notification", attrs, lost.content))
    assert (outcome.counted, outcome.news) == ("notification.file_lost", True)
    assert await settled(receiver) == [(id_, "failed", "media_gone")]
    again = await receiver.take(Node("notification", attrs, lost.content))
    assert again.counted == "notification.ignored"
