"""Played Signal endpoints: they read what was meant for them, once, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from simulator.contacts.signal_endpoints import SignalEndpoint, SignalEndpoints, UndecryptableError
from simulator.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ALICE, BOB = "15550100001", "15550100002"
A, B = (ALICE, 0), (BOB, 0)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "simulator.db")
    yield store
    store.close()


@pytest.fixture
def pair(store: Store) -> tuple[SignalEndpoint, SignalEndpoint]:
    endpoints = SignalEndpoints(store)
    return endpoints.phone(ALICE), endpoints.phone(BOB)


def opened(alice: SignalEndpoint, bob: SignalEndpoint) -> None:
    kind, sealed = alice.encrypt(B, b"first", bob.bundle())
    assert kind == "pkmsg"
    assert bob.decrypt(A, kind, sealed) == b"first"


def test_a_conversation_both_ways(pair: tuple[SignalEndpoint, SignalEndpoint]) -> None:
    alice, bob = pair
    opened(alice, bob)
    kind, sealed = alice.encrypt(B, b"second")
    assert kind == "pkmsg", "until the other side answered, each message opens the session"
    assert bob.decrypt(A, kind, sealed) == b"second"
    kind, sealed = bob.encrypt(A, b"answer")
    assert (kind, alice.decrypt(B, kind, sealed)) == ("msg", b"answer")
    assert alice.encrypt(B, b"third")[0] == "msg"


def test_out_of_order_and_only_once(pair: tuple[SignalEndpoint, SignalEndpoint]) -> None:
    alice, bob = pair
    opened(alice, bob)
    messages = [alice.encrypt(B, bytes([number])) for number in range(5)]
    for number in (4, 0, 3, 1, 2):
        assert bob.decrypt(A, *messages[number]) == bytes([number])
    with pytest.raises(UndecryptableError):
        bob.decrypt(A, *messages[2])


def test_survives_a_restart(pair: tuple[SignalEndpoint, SignalEndpoint], store: Store) -> None:
    alice, bob = pair
    opened(alice, bob)
    skipped = alice.encrypt(B, b"late")
    assert bob.decrypt(A, *alice.encrypt(B, b"early")) == b"early"
    restarted = SignalEndpoints(store)
    assert restarted.phone(BOB).decrypt(A, *skipped) == b"late"
    kind, sealed = restarted.phone(BOB).encrypt(A, b"answer")
    assert restarted.phone(ALICE).decrypt(B, kind, sealed) == b"answer"


def test_an_altered_message_changes_nothing(pair: tuple[SignalEndpoint, SignalEndpoint]) -> None:
    alice, bob = pair
    opened(alice, bob)
    assert alice.decrypt(B, *bob.encrypt(A, b"answer")) == b"answer"
    kind, sealed = alice.encrypt(B, b"genuine")
    assert kind == "msg", "of what opens a session a part is vouched for by nobody"
    for at in range(len(sealed)):
        forged = bytearray(sealed)
        forged[at] ^= 1
        with pytest.raises(UndecryptableError):
            bob.decrypt(A, kind, bytes(forged))
    assert bob.decrypt(A, kind, sealed) == b"genuine"


def test_a_prekey_is_spent_once_and_only_by_a_genuine_message(
    pair: tuple[SignalEndpoint, SignalEndpoint], store: Store
) -> None:
    alice, bob = pair
    bundle = bob.bundle()
    kind, sealed = alice.encrypt(B, b"first", bundle)
    forged = sealed[:-20] + bytes([sealed[-20] ^ 1]) + sealed[-19:]
    with pytest.raises(UndecryptableError):
        bob.decrypt(A, kind, forged)
    assert bob.decrypt(A, kind, sealed) == b"first"
    assert store.number("SELECT count(*) FROM endpoint_prekeys WHERE number = ?", BOB) == 0
    with pytest.raises(UndecryptableError, match="unknown-prekey"):
        bob.decrypt((ALICE, 7), *alice.encrypt(B, b"again", bundle))


def test_old_sessions_still_read(pair: tuple[SignalEndpoint, SignalEndpoint]) -> None:
    alice, bob = pair
    opened(alice, bob)
    on_its_way = alice.encrypt(B, b"on its way")
    assert bob.decrypt(A, *alice.encrypt(B, b"fresh", bob.bundle())) == b"fresh"
    assert bob.decrypt(A, *on_its_way) == b"on its way"


def test_after_a_reset_nothing_reads(
    pair: tuple[SignalEndpoint, SignalEndpoint], store: Store
) -> None:
    alice, bob = pair
    opened(alice, bob)
    before = bob.identity.public
    endpoints = SignalEndpoints(store)
    endpoints.reset(BOB)
    same = endpoints.phone(BOB)
    assert same.identity.public == before
    with pytest.raises(UndecryptableError):
        same.decrypt(A, *alice.encrypt(B, b"lost"))
    endpoints.remove(BOB, 0)
    assert endpoints.phone(BOB).identity.public != before


@pytest.mark.parametrize(
    ("kind", "sealed", "code"),
    [
        ("skmsg", b"", "unknown-kind"),
        ("msg", b"", "malformed"),
        ("pkmsg", b"3\xff\xff", "malformed"),
        ("pkmsg", b"", "malformed"),
    ],
)
def test_garbage(
    pair: tuple[SignalEndpoint, SignalEndpoint], kind: str, sealed: bytes, code: str
) -> None:
    with pytest.raises(UndecryptableError) as raised:
        pair[0].decrypt(B, kind, sealed)
    assert raised.value.code == code
