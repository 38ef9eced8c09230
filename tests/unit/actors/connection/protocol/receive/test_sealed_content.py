"""Votes and sealed edits, encrypted as others do it; and refusals of those that do not open."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from actors.connection.protocol.receive import wrappers
from actors.connection.protocol.receive.from_proto import Forged, unsealed
from actors.messages.content import Edit, Other, PollVote, Target
from tests.unit.actors.connection.protocol.receive.received import (
    ACCOUNT,
    ACCOUNT_LID,
    ANA,
    ANA_LID,
    BEN,
    MINTED,
    POLL,
    WORDS,
    edit,
    key,
    said,
    scene,
)
from tests.unit.actors.connection.protocol.receive.received import judge as judge  # noqa: PLC0414

if TYPE_CHECKING:
    from tests.unit.actors.connection.protocol.judged import Judge


def derived(secret: bytes, info: str) -> bytes:
    """As others derive it: with the standard library's HKDF, written out here."""
    prk = hmac.digest(bytes(32), secret, "sha256")
    return hmac.digest(prk, info.encode() + b"\1", "sha256")


def vote(judge: Judge, author: str, voter: str, *options: str, secret: bytes = POLL.secret) -> Any:
    under = derived(secret, f"{MINTED}{author}{voter}Poll Vote")
    # PollVoteMessage: field 1, repeated bytes.
    chosen = b"".join(b"\x0a\x20" + hashlib.sha256(one.encode()).digest() for one in options)
    sealed = AESGCM(under).encrypt(b"i" * 12, chosen, f"{MINTED}\0{voter}".encode())
    encoded = {
        "encPayload": base64.b64encode(sealed).decode(),
        "encIV": base64.b64encode(b"i" * 12).decode(),
    }
    part = {"pollCreationMessageKey": key(MINTED, own=False), "vote": encoded}
    return said(judge, {"pollUpdateMessage": part}, scene())


@pytest.mark.parametrize("author", [ACCOUNT, ACCOUNT_LID])
def test_votes_are_read(judge: Judge, author: str) -> None:
    target = Target(MINTED, None)
    assert vote(judge, author, ANA, "no", "yes") == PollVote(target, ("yes", "no"))
    assert vote(judge, author, ANA) == PollVote(target, ())
    assert vote(judge, author, ANA, "never offered") == PollVote(target, ())


def test_votes_of_another_are_not_ones_own(judge: Judge) -> None:
    unread = PollVote(Target(MINTED, None))
    assert vote(judge, ACCOUNT, BEN, "yes") == unread
    assert vote(judge, ACCOUNT, ANA, "yes", secret=b"x" * 32) == unread


def sealed(
    judge: Judge,
    inner: dict[str, Any],
    *,
    editor: str = ANA,
    secret: bytes = WORDS.secret,
    **changes: Any,
) -> dict[str, Any]:
    """A message of `editor` with an edit of `A`, encrypted under the secret; `changes` to its part."""
    under = derived(secret, f"A{editor}{editor}Message Edit")
    payload = AESGCM(under).encrypt(b"i" * 12, judge.make(inner), None)
    part = {
        "targetMessageKey": key("A", own=True),
        "encPayload": base64.b64encode(payload).decode(),
        "encIV": base64.b64encode(b"i" * 12).decode(),
        "secretEncType": "MESSAGE_EDIT",
    }
    return {"secretEncryptedMessage": part | changes}


EDITED = edit(key("A", own=True))


@pytest.mark.parametrize("editor", [ANA, ANA_LID])
def test_a_sealed_edit_is_read(judge: Judge, editor: str) -> None:
    """Under either address, and of the message that the secret came with, whatever is named inside."""
    expected = Edit(Target("A", ANA), "better")
    assert said(judge, sealed(judge, EDITED, editor=editor), scene()) == expected
    elsewhere = sealed(judge, edit(key("B", own=True)), editor=editor)
    assert said(judge, elsewhere, scene()) == expected


def test_a_sealed_edit_may_bring_the_next_secret(judge: Judge) -> None:
    context = {"messageContextInfo": {"messageSecret": base64.b64encode(b"n" * 32).decode()}}
    for inner, secret in ((EDITED, None), (EDITED | context, b"n" * 32)):
        # The context beside it is that of the message before.
        found = wrappers.read(judge.make(sealed(judge, inner) | context))
        assert found is not None
        assert unsealed(found, scene()).secret == secret


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"secret": b"x" * 32}, id="another secret"),
        pytest.param({"editor": BEN}, id="by another person"),
        pytest.param({"encIV": "aQ=="}, id="no IV"),
        pytest.param({"encPayload": "aQ=="}, id="too short"),
        pytest.param({"targetMessageKey": key("B", own=True)}, id="of a message without a secret"),
        pytest.param({"inner": {"conversation": "no edit"}}, id="no edit inside"),
    ],
)
def test_a_sealed_edit_that_does_not_open_is_a_placeholder(
    judge: Judge, changes: dict[str, Any]
) -> None:
    changes = {"inner": EDITED} | changes
    assert said(judge, sealed(judge, **changes), scene()) == Other("undecryptable")


def test_other_sealed_changes_keep_their_name(judge: Judge) -> None:
    event = sealed(judge, EDITED, secretEncType="EVENT_EDIT")
    assert said(judge, event, scene()) == Other("secretEncryptedMessage")


def test_a_sealed_edit_of_anothers_message_is_forged(judge: Judge) -> None:
    other = key("A", own=False)
    with pytest.raises(Forged):
        said(judge, sealed(judge, EDITED, targetMessageKey=other), scene())
