"""Makes messages as others write them, and reads them as the product does in a scene."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from actors.connection.protocol.identities.addresses import Address
from actors.connection.protocol.receive import wrappers
from actors.connection.protocol.receive.from_proto import Scene, content_of, unsealed
from actors.connection.session.messages.message_secrets import MessageSecret
from tests.unit.actors.connection.protocol.judged import Judge, judging

if TYPE_CHECKING:
    from collections.abc import Iterator

    from actors.messages.content import Content

ANA = "15550100002@s.whatsapp.net"
BEN = "15550100003@s.whatsapp.net"
ACCOUNT = "15550100001@s.whatsapp.net"
ACCOUNT_LID = "90000000000001@lid"
GROUP = "120363000000000001@g.us"
MINTED = "3EB0A1B2C3D4E5F6A7B8C9"
POLL = MessageSecret(b"s" * 32, ("yes", "no", "perhaps"))
WORDS = MessageSecret(b"w" * 32)
"""The secret of a message of Ana's, `A`."""

ANA_LID = "90000000000002@lid"
PHONES = "3EB0A1B2C3D4E5F6A7B8C0"
"""Looks like an id of this service, and is known to be WhatsApp Web's."""

SECRETS = {(ACCOUNT, MINTED): POLL, (ANA, "A"): WORDS}
NAMES = {ACCOUNT: (ACCOUNT_LID,), ANA: (ANA_LID,)}


def canonical(address: Address) -> Address:
    known = {ACCOUNT_LID: ACCOUNT, ANA_LID: ANA}.get(str(address.canonical))
    return address.canonical if known is None else Address.parse(known)


def scene(sender: str = ANA, chat: str = ANA) -> Scene:
    return Scene(
        chat=Address.parse(chat),
        sender=Address.parse(sender),
        account=Address.parse(ACCOUNT),
        canonical=canonical,
        from_phone=lambda number: number == PHONES,
        secret=lambda author, number: SECRETS.get((str(author), number)),
        names=lambda person: (str(person), *NAMES.get(str(person), ())),
    )


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    with judging() as made:
        yield made


def key(number: str, *, own: bool, **more: str) -> dict[str, Any]:
    return {"remoteJID": "someone@s.whatsapp.net", "fromMe": own, "ID": number, **more}


def reaction(of: dict[str, Any], emoji: str = "👍") -> dict[str, Any]:
    return {"reactionMessage": {"key": of, "text": emoji, "senderTimestampMS": "5"}}


def edit(of: dict[str, Any], **message: Any) -> dict[str, Any]:
    edited = message or {"conversation": "better"}
    part = {"key": of, "type": "MESSAGE_EDIT", "editedMessage": edited, "timestampMS": "5"}
    return {"protocolMessage": part}


def delete(of: dict[str, Any]) -> dict[str, Any]:
    return {"protocolMessage": {"key": of, "type": "REVOKE"}}


def said(judge: Judge, message: dict[str, Any], where: Scene) -> Content:
    found = wrappers.read(judge.make(message))
    assert found is not None
    return content_of(unsealed(found, where), where)
