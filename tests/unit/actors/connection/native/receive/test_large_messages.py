"""The largest message of another account, and larger ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from actors.connection.native.receive.stanza_handler import MAX_RETRIES
from actors.connection.native.signal import message_cipher, signatures
from actors.connection.native.signal.device_sessions import new_key_pair
from actors.connection.native.signal.group_keys import handing
from actors.connection.native.signal.sender_keys import OwnSenderKey
from actors.connection.protocol.message_size import MAX_CIPHERTEXT, MAX_MESSAGE
from actors.connection.protocol.receive import wrappers
from actors.connection.protocol.wire_format.nodes import Node
from tests.unit.actors.connection.native.receiving_device import (
    ACCOUNT,
    CONTACT,
    DEVICE,
    GROUP,
    World,
    answers_of,
    text,
)

if TYPE_CHECKING:
    from typing import Any

PHONE = ACCOUNT.replace("@", ":0@")


def sized(size: int) -> tuple[str, bytes]:
    """A text, and the message of so many bytes that has it."""
    words = "x" * (size - len(text("x" * size)) + size)
    assert len(text(words)) == size
    return words, text(words)


class Speaker:
    """Another device with a sender key for the group."""

    def __init__(self, receiver: World) -> None:
        self.receiver = receiver
        self.key = OwnSenderKey.make(new_key_pair())

    async def hand(self, device: str = CONTACT) -> None:
        handed = await self.receiver.message(
            handing(GROUP, self.key), from_=GROUP, participant=device
        )
        await self.receiver.take(handed)

    def says(self, plaintext: bytes, device: str = CONTACT) -> Node:
        data, self.key = self.key.encrypt(wrappers.pad(plaintext))
        attrs = {"id": f"G{self.key.iteration}", "from": GROUP, "participant": device, "t": "900"}
        return Node("message", attrs, (Node("enc", {"v": "2", "type": "skmsg"}, data),))


async def test_the_largest_message_is_read(receiver: World) -> None:
    """One that begins a session, and one of a group."""
    words, message = sized(MAX_MESSAGE)
    assert (await receiver.take(await receiver.message(message))).counted == "message.stored"
    speaker = Speaker(receiver)
    await speaker.hand()
    assert (await receiver.take(speaker.says(message))).counted == "message.stored"
    assert [one.text for one in receiver.messages()] == [words, words]


@pytest.mark.parametrize("kind", ["direct", "first", "group", "group, with its key"])
async def test_a_larger_message_is_refused_unread(
    receiver: World, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """It is asked for as any that cannot be read, and leaves a placeholder: nobody's time is taken by its bytes."""
    message = sized(MAX_CIPHERTEXT)[1]
    if kind == "direct":
        await receiver.take(await receiver.message(text("first")))
        async with receiver.session.transaction():
            answer = await receiver.signal.encrypt(CONTACT, b"answer")
        async with receiver.other.transaction():
            await receiver.other_signal.decrypt(DEVICE, *answer)
    if kind.startswith("group"):
        speaker = Speaker(receiver)
        await speaker.hand()
        stanza = speaker.says(message)
        if "key" in kind:
            (key,) = (await receiver.message(handing(GROUP, speaker.key))).children("enc")
            stanza = Node("message", stanza.attrs, (key, *stanza.children()))
    else:
        stanza = await receiver.message(message)
    before = len(receiver.messages())
    tried: list[Any] = []
    monkeypatch.setattr(signatures, "verify", lambda *given: tried.append(given))
    monkeypatch.setattr(message_cipher, "_mac", lambda *given: tried.append(given))
    for count in range(1, MAX_RETRIES + 1):
        outcome = await receiver.take(stanza)
        assert answers_of(outcome) == [("receipt", "retry"), ("ack", None)], count
    await receiver.take(stanza)
    assert tried == []
    assert [one.type for one in receiver.messages()[before:]] == ["undecryptable"]


async def test_the_accounts_own_devices_send_larger_ones(receiver: World) -> None:
    """Histories, and messages that the phone hands on, which another account's could not bring."""
    words, message = sized(2 * MAX_CIPHERTEXT)
    stanza = await receiver.message(message, from_=PHONE, recipient=CONTACT)
    assert (await receiver.take(stanza)).counted == "message.stored"
    speaker = Speaker(receiver)
    await speaker.hand(PHONE)
    assert (await receiver.take(speaker.says(message, PHONE))).counted == "message.stored"
    assert [one.text for one in receiver.messages()] == [words, words]
