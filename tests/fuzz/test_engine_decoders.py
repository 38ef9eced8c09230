"""Every decoder of the engine on damaged real input: its own refusal or a result, nothing else."""

from __future__ import annotations

import contextlib

from hypothesis import example, given
from hypothesis import strategies as st

from actors.connection.disconnects import causes
from actors.connection.disconnects.consequences import consequence
from actors.connection.protocol.identities.addresses import Address, parse_optional
from actors.connection.protocol.phone import placeholder_resend
from actors.connection.protocol.receive import wrappers
from actors.connection.protocol.receive.from_proto import Forged, Scene, content_of, unsealed
from actors.connection.protocol.receive.history.history_file import UnusableHistory, inflate, split
from actors.connection.protocol.send.to_proto import Place, write
from actors.connection.protocol.wire_format.nodes import MalformedMessage, Node, proto
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
    fuzzed,
)

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
    proto.WebMessageInfo(key={"id": "A"}, message={"conversation": "hi"}).SerializeToString(),
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


# what a message says


@fuzzed(400)
@given(damaged([*map(bytes.fromhex, RECORDED["plaintexts"]), *KINDS]))
def test_a_plaintext_is_content_or_malformed(plaintext: bytes) -> None:
    with contextlib.suppress(MalformedMessage):
        found = wrappers.read(plaintext)
        assert found is None or isinstance(found.text, str | None)
        if found is not None:
            with contextlib.suppress(Forged):
                said = content_of(unsealed(found, SCENE), SCENE)
                assert kinds.decode(kinds.encode(said)) == said
    answer = placeholder_resend.answer_of("R", plaintext)
    assert all(one.HasField("message") for one in answer.messages)


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


# the server's words


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
@given(st.binary(max_size=200) | damaged([HISTORY]))
def test_a_history_is_split_or_refused(raw: bytes) -> None:
    with contextlib.suppress(UnusableHistory):
        for _, part in split(raw):
            assert len(part) <= len(raw)
    with contextlib.suppress(UnusableHistory):
        inflate([raw])
