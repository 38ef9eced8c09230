"""Every decoder of the engine on damaged real input: its own refusal or a result, nothing else."""

from __future__ import annotations

import contextlib
import itertools
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from actors.connection.disconnects import causes
from actors.connection.disconnects.consequences import consequence
from actors.connection.native.identities import usync
from actors.connection.native.pairing.qr_pairing import Keys, PairingRefused, prove, qr_codes
from actors.connection.native.signal import prekey_bundles
from actors.connection.native.signal.device_sessions import new_key_pair
from actors.connection.native.signal.sender_keys import Distribution, GroupMessage, OwnSenderKey
from actors.connection.native.signal.signal_messages import (
    MalformedSignalMessage,
    PrekeyMessage,
    SignalMessage,
)
from actors.connection.native.transport.certificates import HandshakeRefused, verify_chain
from actors.connection.native.transport.frames import FrameBuffer, FrameTooLarge, frame
from actors.connection.native.transport.noise import Handshake, Resumption
from actors.connection.protocol.identities.addresses import Address, parse_optional
from actors.connection.protocol.phone import placeholder_resend
from actors.connection.protocol.receive import wrappers
from actors.connection.protocol.receive.from_proto import Forged, Scene, content_of, unsealed
from actors.connection.protocol.receive.history.history_file import UnusableHistory, inflate, split
from actors.connection.protocol.send.to_proto import Place, write
from actors.connection.protocol.wire_format.codec import MalformedNode, decode, encode
from actors.connection.protocol.wire_format.nodes import MalformedMessage, Node, parse, proto
from actors.connection.session.messages.message_secrets import MessageSecret
from actors.messages import content as kinds
from tests.fuzz.corpus import (
    ACCOUNT,
    COMING,
    CONTACT,
    DEVICE,
    RECORDED,
    changed,
    damaged,
    frames,
    fuzzed,
    recorded,
)

_OWN = OwnSenderKey.make(new_key_pair())
HANDED, GROUP_MESSAGE = _OWN.distribution.encode(), _OWN.encrypt(b"hi all")[0]
HISTORY = bytes.fromhex("12080a0631406c6964203a060a0131120131")

TARGET = kinds.Target("3EB0A1B2C3D4E5F6A7B8C9", None)
KINDS = [
    write(said, Place(CONTACT, ACCOUNT, 1.0))
    for said in (
        kinds.Text("yes", kinds.Quote(TARGET, "well?")),
        kinds.Location(1.5, 2.5, "Here"),
        kinds.Contact((kinds.Card("Ana", "BEGIN:VCARD"), kinds.Card("Ben", "BEGIN:VCARD"))),
        kinds.Poll("Tea?", ("yes", "no"), 1, "ab" * 32),
        kinds.PollVote(TARGET, ("yes",), "ab" * 32),
        kinds.Reaction(TARGET, "+"),
        kinds.Edit(TARGET, "better"),
        kinds.Delete(TARGET),
    )
] + [
    proto.Message(
        pollUpdateMessage={
            "pollCreationMessageKey": {"id": "A"},
            "vote": {"encPayload": b"x" * 48, "encIv": b"i" * 12},
        }
    ).SerializeToString(),
    proto.Message(
        secretEncryptedMessage={
            "targetMessageKey": {"id": "A", "fromMe": True},
            "encPayload": b"x" * 48,
            "encIv": b"i" * 12,
            "secretEncType": "MESSAGE_EDIT",
        }
    ).SerializeToString(),
    proto.Message(
        protocolMessage={
            "type": "PEER_DATA_OPERATION_REQUEST_RESPONSE_MESSAGE",
            "peerDataOperationRequestResponseMessage": {
                "peerDataOperationRequestType": "PLACEHOLDER_MESSAGE_RESEND",
                "stanzaId": "R",
                "peerDataOperationResult": [
                    {
                        "placeholderMessageResendResponse": {
                            "webMessageInfoBytes": proto.WebMessageInfo(
                                key={"id": "A"}, message={"conversation": "hi"}
                            ).SerializeToString()
                        }
                    }
                ],
            },
        }
    ).SerializeToString(),
]
SCENE = Scene(
    chat=Address.parse(CONTACT),
    sender=Address.parse(CONTACT),
    account=Address.parse(ACCOUNT),
    canonical=lambda address: address.canonical,
    from_phone=lambda _: False,
    secret=lambda *_: MessageSecret(b"s" * 32, ("yes", "no")),
    names=lambda person: (str(person),),
)
HANDSHAKES = RECORDED["handshakes"]


# the wire


@fuzzed(150)
@given(st.lists(damaged([frame(data) for data in recorded("to_client")]), max_size=3), st.data())
def test_frames_come_out_the_same_however_they_are_cut(stream: list[bytes], data: Any) -> None:
    whole = b"".join(stream)

    def split(pieces: list[bytes]) -> list[bytes] | None:
        buffer = FrameBuffer()
        try:
            return list(itertools.chain(*(buffer.feed(piece) for piece in pieces)))
        except FrameTooLarge:
            return None

    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=4)))
    pieces = [whole[a:b] for a, b in itertools.pairwise([0, *cuts, len(whole)])]
    assert split(pieces) == split([whole])


@fuzzed(400)
@given(frames(recorded("to_client") + recorded("to_server")))
def test_a_frame_is_a_node_that_can_be_written_or_malformed(data: bytes) -> None:
    with contextlib.suppress(MalformedNode):
        node = decode(data)
        assert decode(encode(node)) == node


def shake(real: dict[str, Any], answer: bytes) -> None:
    static, root_key = bytes.fromhex(real["static"]), bytes.fromhex(real["root_key"])
    ephemeral, payload = bytes.fromhex(real["ephemeral"]), bytes.fromhex(real["payload"])
    handshake = (
        Handshake(static, root_key, ephemeral=ephemeral)
        if real["server_key"] is None
        else Resumption(static, root_key, bytes.fromhex(real["server_key"]), ephemeral=ephemeral)
    )
    handshake.hello(payload)
    handshake.finish(answer, payload, real["now"])


def hello(answer: bytes) -> tuple[bytes, ...]:
    found = parse(proto.HandshakeMessage, answer).serverHello
    return found.ephemeral, found.static, found.payload


def test_the_recorded_handshakes_succeed() -> None:
    assert [one["server_key"] is not None for one in HANDSHAKES] == [False, True]
    for real in HANDSHAKES:
        shake(real, bytes.fromhex(real["answer"]))


@fuzzed(250)
@given(damaged([bytes.fromhex(one["answer"]) for one in HANDSHAKES]), st.sampled_from(HANDSHAKES))
def test_a_server_hello_is_proven_or_refused(answer: bytes, real: dict[str, Any]) -> None:
    with contextlib.suppress(HandshakeRefused):
        shake(real, answer)
        # The changed bytes lie outside those that are read.
        assert hello(answer) == hello(bytes.fromhex(real["answer"]))


@fuzzed(250)
@given(damaged([bytes.fromhex(chain) for chain in RECORDED["chains"]]), st.binary(max_size=33))
def test_a_chain_proves_no_key_that_is_not_in_it(chain: bytes, key: bytes) -> None:
    with pytest.raises(HandshakeRefused):
        verify_chain(chain, key, bytes.fromhex(HANDSHAKES[0]["root_key"]), HANDSHAKES[0]["now"])


# what a message says


@fuzzed(400)
@given(damaged([*map(bytes.fromhex, RECORDED["plaintexts"]), *KINDS]), st.binary(max_size=2))
def test_a_plaintext_is_content_or_malformed(plaintext: bytes, padding: bytes) -> None:
    with contextlib.suppress(MalformedMessage):
        found = wrappers.read(plaintext)
        assert found is None or isinstance(found.text, str | None)
        if found is not None:
            with contextlib.suppress(Forged):
                said = content_of(unsealed(found, SCENE), SCENE)
                assert kinds.decode(kinds.encode(said)) == said
    with contextlib.suppress(MalformedMessage):
        answer = placeholder_resend.answer(plaintext)
        assert answer is None or all(one.HasField("message") for one in answer.messages)
    with contextlib.suppress(MalformedMessage):
        assert len(wrappers.unpad(plaintext + padding)) < len(plaintext + padding)


def test_envelopes_in_one_another_are_read_or_malformed() -> None:
    """The parser has a depth of its own; nothing here follows it by recursion."""
    for envelope in ("ephemeralMessage", "viewOnceMessage", "deviceSentMessage"):
        message = proto.Message(conversation="x")
        for _ in range(90):
            outer = proto.Message()
            getattr(outer, envelope).message.CopyFrom(message)
            message = outer
            with contextlib.suppress(MalformedMessage):
                wrappers.read(message.SerializeToString())


@fuzzed(300)
@given(damaged([bytes.fromhex(one) for one in RECORDED["signal"]]))
def test_an_envelope_is_one_or_malformed(data: bytes) -> None:
    with contextlib.suppress(MalformedSignalMessage):
        message = PrekeyMessage.decode(data)
        assert PrekeyMessage.decode(message.encode()) == message
        SignalMessage.decode(message.message)
    with contextlib.suppress(MalformedSignalMessage):
        SignalMessage.decode(data)


# the server's words


@fuzzed(200)
@given(changed([one for one in COMING if one.child("pair-success")]))
def test_a_pairing_is_proven_or_refused(stanza: Node) -> None:
    private, public = new_key_pair()
    keys = Keys(public, public, private, bytes(32))
    for _, lifetime in itertools.islice(qr_codes(stanza, keys), 100):
        assert lifetime > 0
    with pytest.raises(PairingRefused) as refused:
        prove(stanza, keys)
    assert decode(encode(refused.value.answer)).attrs["type"] == "error"


@fuzzed(300)
@given(changed([one for one in COMING if one.tag == "iq"]))
def test_answers_are_read(reply: Node) -> None:
    for person, listed in usync.devices_answer(reply).items():
        for number in listed.devices:
            device = Address(person.user, person.server, number)
            assert Address.parse(str(device)) == device
            assert decode(encode(Node("to", {"jid": str(device)}))).attrs["jid"] == str(device)
    usync.contact_answer(reply, Address("15550100002", "s.whatsapp.net"))
    for bundle in prekey_bundles.answer(reply).values():
        assert max(bundle.registration_id, bundle.signed_prekey_id) < 2**32


@fuzzed(300)
@given(changed([one for one in COMING if one.tag in ("failure", "stream:error", "success", "ib")]))
def test_an_end_has_a_cause_and_a_consequence(stanza: Node) -> None:
    children = {child.tag: child.attrs for child in stanza.children()}
    for cause in (
        causes.from_failure(stanza.attrs, 1000.0),
        causes.from_stream_error(stanza.attrs, children),
    ):
        assert consequence(cause) is not None
        assert cause.until is None or 1000 <= cause.until < 1e12
        assert len(str(cause)) < 100


@fuzzed(300)
@given(st.text(max_size=40) | damaged([DEVICE.encode()]).map(lambda one: one.decode("latin1")))
@example("15550100002:99999@s.whatsapp.net")
def test_an_address_is_the_same_after_writing_it(text: str) -> None:
    address = parse_optional(text)
    assert address is None or Address.parse(str(address)) == address


@fuzzed(300)
@given(st.binary(max_size=200) | damaged([HANDED, GROUP_MESSAGE]))
def test_a_groups_key_and_message_decode_or_are_refused(raw: bytes) -> None:
    for decode_ in (Distribution.decode, GroupMessage.decode):
        with contextlib.suppress(MalformedSignalMessage):
            decode_(raw)


@fuzzed(300)
@given(st.binary(max_size=200) | damaged([HISTORY]))
def test_a_history_is_split_or_refused(raw: bytes) -> None:
    with contextlib.suppress(UnusableHistory):
        for _, part in split(raw):
            assert len(part) <= len(raw)
    with contextlib.suppress(UnusableHistory):
        inflate([raw])
