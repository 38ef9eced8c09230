"""Edits that come encrypted under their target's secret: read, or seen as what could not be read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from actors.connection.protocol.receive.votes_and_edits import EDIT, IV_BYTES, key
from actors.connection.protocol.wire_format.nodes import proto
from actors.connection.session.messages.message_secrets import MessageSecret
from actors.messages.content import Edit, Target, decode
from tests.unit.actors.connection.native.receiving_device import (
    CONTACT,
    CONTACT_LID,
    World,
    answers_of,
    met,
)

if TYPE_CHECKING:
    from pathlib import Path

    from actors.connection.engine import InboxMessage
    from actors.connection.protocol.wire_format.nodes import Node

SECRET, ANOTHER = b"s" * 32, b"t" * 32
ANSWERED = [("ack", None), ("receipt", None)]


def plain(words: str, secret: bytes = SECRET, *, disappears: bool = False) -> bytes:
    message = proto.Message()
    inner = message.ephemeralMessage.message if disappears else message
    inner.extendedTextMessage.text = words
    message.messageContextInfo.messageSecret = secret
    serialized: bytes = message.SerializeToString()
    return serialized


def sealed(
    of: str, words: str, *, secret: bytes = SECRET, by: str = CONTACT, brings: bytes = b""
) -> bytes:
    inner = proto.Message()
    change = inner.protocolMessage
    change.type = change.MESSAGE_EDIT
    change.key.id, change.key.fromMe = of, True
    change.editedMessage.conversation = words
    if brings:
        inner.messageContextInfo.messageSecret = brings
    iv = b"i" * IV_BYTES
    under = AESGCM(key(EDIT, secret, of, by, by))
    message = proto.Message()
    part = message.secretEncryptedMessage
    part.targetMessageKey.id, part.targetMessageKey.fromMe = of, True
    part.secretEncType = part.MESSAGE_EDIT
    part.encIv, part.encPayload = iv, under.encrypt(iv, inner.SerializeToString(), None)
    serialized: bytes = message.SerializeToString()
    return serialized


def says(message: InboxMessage) -> Any:
    return message.text if message.content is None else decode(message.content)


async def first(receiver: World, plaintext: bytes, **attrs: str) -> str:
    stanza = await receiver.message(plaintext, **attrs)
    await receiver.take(stanza)
    return stanza.attrs["id"]


@pytest.mark.parametrize("disappears", [False, True])
@pytest.mark.parametrize("by", [CONTACT, CONTACT_LID])
async def test_it_is_an_edit_of_its_message(receiver: World, by: str, disappears: bool) -> None:
    """By either address, for a message from either."""
    lid = {"sender_lid": CONTACT_LID}
    number = await first(receiver, plain("frist", disappears=disappears), **lid)
    outcome = await receiver.take(await receiver.message(sealed(number, "first", by=by)))
    assert (outcome.counted, answers_of(outcome)) == ("message.stored", ANSWERED)
    expected = Edit(Target(number, CONTACT), "first")
    assert [says(one) for one in receiver.messages()] == ["frist", expected]


async def test_a_second_edit_has_the_secret_that_the_first_one_brought(receiver: World) -> None:
    number = await first(receiver, plain("frits"))
    await first(receiver, sealed(number, "frist", brings=ANOTHER))
    await first(receiver, sealed(number, "first", secret=ANOTHER))
    target = Target(number, CONTACT)
    said = [says(one) for one in receiver.messages()]
    assert said == ["frits", Edit(target, "frist"), Edit(target, "first")]


async def placeholder(receiver: World, stanza: Node) -> None:
    outcome = await receiver.take(stanza)
    assert (outcome.counted, outcome.news) == ("message.placeholder", True)
    assert answers_of(outcome) == ANSWERED, "its sender would encrypt the same again"
    found = receiver.messages()[-1]
    assert (found.message_id, found.type) == (stanza.attrs["id"], "undecryptable")
    assert found.text is None


async def test_one_without_a_known_secret_is_seen(receiver: World) -> None:
    """G5: neither lost, nor asked for again."""
    await placeholder(receiver, await receiver.message(sealed("GONE", "first")))
    number = await first(receiver, plain("frist"))
    await placeholder(receiver, await receiver.message(sealed(number, "first", secret=ANOTHER)))


async def test_one_that_comes_again_is_read_once(receiver: World) -> None:
    """As after a crash before the answer."""
    edit = await receiver.message(sealed("LATE", "first"))
    await placeholder(receiver, edit)
    await first(receiver, plain("frist"), id="LATE")
    again = await receiver.message(sealed("LATE", "first"), id=edit.attrs["id"])
    assert (await receiver.take(again)).counted == "message.repeated"
    said = [says(one) for one in receiver.messages()]
    assert sorted(map(str, said)) == sorted(["frist", str(Edit(Target("LATE", CONTACT), "first"))])


async def test_one_that_came_first_is_read_with_its_message(receiver: World) -> None:
    """In place of its placeholder, also where that is stored already; an older process may have kept it."""
    early = await receiver.message(sealed("LATE", "first"))
    settled = await receiver.message(sealed("LATE", "fist"))
    for each in (settled, early):
        await placeholder(receiver, each)
    async with receiver.session.transaction():
        receiver.session.inbox.settle([receiver.messages()[0].key])
    stanza = await receiver.message(plain("frist"), id="LATE")
    outcome = await receiver.take(stanza)
    assert (outcome.counted, outcome.news) == ("message.stored", True)
    target = Target("LATE", CONTACT)
    found = {one.message_id: one for one in receiver.messages()}
    assert {id_: says(one) for id_, one in found.items()} == {
        "LATE": "frist",
        settled.attrs["id"]: Edit(target, "fist"),
        early.attrs["id"]: Edit(target, "first"),
    }
    assert {(one.at, one.push_name, one.from_me) for one in found.values()} == {
        (900, "Name", False)
    }
    assert receiver.session.sealed_edits.of_message(CONTACT, CONTACT, "LATE") == []
    again = await receiver.take(await receiver.message(plain("frist"), id="LATE"))
    assert (again.counted, len(receiver.messages())) == ("message.repeated", 3)


async def test_edits_that_came_in_the_wrong_order_are_read(receiver: World) -> None:
    """The first brings the secret of the second."""
    second = await receiver.message(sealed("LATE", "first", secret=ANOTHER))
    one = await receiver.message(sealed("LATE", "frist", brings=ANOTHER))
    for each in (second, one):
        await placeholder(receiver, each)
    await first(receiver, plain("frits"), id="LATE")
    said = [says(each) for each in receiver.messages()]
    assert said[0] == "frits"
    assert [each.text for each in said[1:]] == ["frist", "first"]


async def test_an_edit_that_no_secret_opens_stays_what_it_is(receiver: World) -> None:
    forged = await receiver.message(sealed("LATE", "first", secret=ANOTHER))
    await placeholder(receiver, forged)
    await first(receiver, plain("frist"), id="LATE")
    assert {one.type for one in receiver.messages()} == {"undecryptable", "text"}


async def test_the_answer_of_one_that_came_first_waits_for_the_edit(tmp_path: Path) -> None:
    """With `hold`: the item of the placeholder is gone, and its answer moves to that of the edit."""
    async with met(tmp_path, hold=True) as receiver:
        edit = await receiver.message(sealed("LATE", "first"))
        held = (await receiver.take(edit)).held
        assert held == receiver.messages()[0].key
        outcome = await receiver.take(await receiver.message(plain("frist"), id="LATE"))
        keys = {one.message_id: one.key for one in receiver.messages()}
        assert outcome.held == keys["LATE"]
        assert list(outcome.moved) == [(held, keys[edit.attrs["id"]])]


@pytest.mark.parametrize("by_lid", ["edit", "message"])
async def test_one_that_came_by_another_address_is_read_once_both_are_known(
    tmp_path: Path, by_lid: str
) -> None:
    """In the stanza that tells of them, with what its answer waits for."""
    async with met(tmp_path, hold=True) as receiver:
        words, edit = plain("frist"), sealed("LATE", "first", by=CONTACT_LID)
        if by_lid == "edit":
            await first(receiver, words, id="LATE")
            await receiver.afresh()
            early = await receiver.take(await receiver.message(edit, from_=CONTACT_LID, id="EARLY"))
        else:
            early = await receiver.take(await receiver.message(edit, id="EARLY"))
            await receiver.afresh()
            await first(receiver, words, id="LATE", from_=CONTACT_LID)
        assert early.counted == "message.placeholder"
        assert {one.type for one in receiver.messages()} == {"text", "undecryptable"}
        lid = {"sender_lid": CONTACT_LID}
        outcome = await receiver.take(await receiver.message(plain("hello"), id="NEXT", **lid))
        found = {one.message_id: one for one in receiver.messages()}
        assert {id_: says(one) for id_, one in found.items()} == {
            "LATE": "frist",
            "EARLY": Edit(Target("LATE", CONTACT), "first"),
            "NEXT": "hello",
        }
        assert {(one.chat, one.sender) for one in found.values()} == {(CONTACT, CONTACT)}
        assert list(outcome.moved) == [(early.held, found["EARLY"].key)]
        assert receiver.session.sealed_edits.of_message(CONTACT, CONTACT, "LATE") == []


async def test_a_crash_while_addresses_are_joined_leaves_the_edit_to_wait(receiver: World) -> None:
    """G5: both are there, or neither."""
    await first(receiver, plain("frist"), id="LATE")
    await receiver.afresh()
    await first(receiver, sealed("LATE", "first", by=CONTACT_LID), id="EARLY", from_=CONTACT_LID)

    async def crash() -> None:
        async with receiver.session.transaction():
            receiver.session.learn_lid(CONTACT_LID, CONTACT)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await crash()
    assert len(receiver.session.sealed_edits.of_message(CONTACT_LID, CONTACT_LID, "LATE")) == 1
    assert {one.type for one in receiver.messages()} == {"text", "undecryptable"}
    async with receiver.session.transaction():
        receiver.session.learn_lid(CONTACT_LID, CONTACT)
    assert {one.type for one in receiver.messages()} == {"text", "edit"}


async def test_an_edit_of_anothers_message_is_refused(receiver: World) -> None:
    number = await first(receiver, plain("frist"))
    message = proto.Message.FromString(sealed(number, "first"))
    message.secretEncryptedMessage.targetMessageKey.fromMe = False
    outcome = await receiver.take(await receiver.message(message.SerializeToString()))
    assert outcome.counted == "message.refused"


async def test_secrets_are_kept_with_their_messages(receiver: World) -> None:
    number = await first(receiver, plain("frist"))
    found = receiver.session.secrets.find(CONTACT, CONTACT, number)
    assert found == MessageSecret(SECRET)
