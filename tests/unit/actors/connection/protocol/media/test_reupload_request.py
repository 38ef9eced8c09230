"""Asking the phone for a file again: only it can read the question, and only it can answer."""

from __future__ import annotations

import secrets
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from actors.connection.protocol.media.reupload_request import ReuploadAnswer, answer, question
from actors.connection.protocol.wire_format.nodes import Node, proto
from actors.connection.session.files.pending_downloads import Transfer

ALICE = "15550100002@s.whatsapp.net"
ACCOUNT = "15550100001@s.whatsapp.net"
KEY = bytes(range(32))
TRANSFER = Transfer(ALICE, ALICE, "A", False, "image", KEY, "/old", b"h" * 32, b"s" * 32, 5)
RESULTS = proto.MediaRetryNotification
LID = "90000000000002@lid"


def cipher(key: bytes = KEY) -> AESGCM:
    return AESGCM(HKDF(SHA256(), 32, None, b"WhatsApp Media Retry Notification").derive(key))


def notification(
    result: int = RESULTS.SUCCESS,
    path: str | None = "/new",
    *,
    id_: str = "A",
    inner: str = "A",
    key: bytes = KEY,
) -> Node:
    iv = secrets.token_bytes(12)
    said = RESULTS(stanzaId=inner, directPath=path, result=result).SerializeToString()
    parts = (
        Node("enc_p", {}, cipher(key).encrypt(iv, said, id_.encode())),
        Node("enc_iv", {}, iv),
    )
    return Node("notification", {"id": id_, "type": "mediaretry"}, (Node("encrypt", {}, parts),))


def test_the_phone_can_read_the_question() -> None:
    node = question(TRANSFER, ACCOUNT, LID, in_group=False)
    assert node.attrs == {"id": "A", "to": ACCOUNT, "type": "server-error"}
    sealed = node.child("encrypt")
    assert sealed is not None
    said = cipher().decrypt(sealed.bytes_of("enc_iv"), sealed.bytes_of("enc_p"), b"A")
    assert proto.ServerErrorReceipt.FromString(said).stanzaId == "A"
    which = node.child("rmr")
    assert which is not None
    assert which.attrs == {"jid": LID, "from_me": "false"}


def test_in_a_group_it_says_whose_message_it_was() -> None:
    group = replace(TRANSFER, chat="120363000000000001@g.us", from_me=True)
    which = question(group, ACCOUNT, group.chat, in_group=True).child("rmr")
    assert which is not None
    assert which.attrs == {"jid": group.chat, "from_me": "true", "participant": ALICE}


@pytest.mark.parametrize(
    ("said", "found"),
    [
        (notification(), ReuploadAnswer("/new")),
        (notification(RESULTS.NOT_FOUND, None), ReuploadAnswer(None)),
        (notification(RESULTS.GENERAL_ERROR), None),
        (notification(RESULTS.DECRYPTION_ERROR), None),
        (notification(path=None), None),
        (notification(id_="B"), None),
        (notification(inner="B"), None),
        (notification(key=bytes(32)), None),
        (Node("notification", {"id": "A"}, (Node("error", {"code": "2"}),)), ReuploadAnswer(None)),
        (Node("notification", {"id": "A"}, (Node("error", {"code": "1"}),)), None),
        (Node("notification", {"id": "A"}), None),
        (Node("notification", {"id": "A"}, (Node("encrypt"),)), None),
    ],
)
def test_the_answer(said: Node, found: ReuploadAnswer | None) -> None:
    assert answer(said, TRANSFER) == found
