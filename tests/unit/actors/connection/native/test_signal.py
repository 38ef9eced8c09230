"""Sessions with devices: what each call guarantees, and what a refusal leaves."""

from __future__ import annotations

import shutil
import time
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import pytest
import xeddsa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actors.connection.native import envelope, ratchet
from actors.connection.native.envelope import PrekeyMessage
from actors.connection.native.signal import (
    BadSignature,
    Bundle,
    NoSession,
    Signal,
    Undecryptable,
    new_credentials,
    new_key_pair,
    new_signed_prekey,
)
from actors.connection.native.signatures import KEY_TYPE, verify
from actors.connection.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

ALICE = "15550100001@s.whatsapp.net"
BOB = "15550100002@s.whatsapp.net"
Sent = tuple[Literal["pkmsg", "msg"], bytes]


class Device:
    """One end: its session file, its Signal layer, and the other end's address."""

    def __init__(self, path: Path, peer: str) -> None:
        self.session = Session.open(path, 1)
        self.changes: list[str] = []
        self.signal = Signal(self.session, on_identity_change=self.changes.append)
        self.peer = peer

    async def register(self) -> None:
        async with self.session.transaction():
            self.session.forget_credentials()
            self.session.save_credentials(new_credentials())

    async def bundle(self, *, prekey: bool = True) -> Bundle:
        own = self.session.credentials()
        assert own is not None
        made: list[tuple[int, bytes]] = []
        if prekey:
            async with self.session.transaction():
                made = self.signal.make_prekeys(1)
        return Bundle(
            own.registration_id,
            own.identity_public,
            own.signed_prekey.id,
            own.signed_prekey.public,
            own.signed_prekey.signature,
            *(made[0] if made else ()),
        )

    async def establish(self, bundle: Bundle) -> bool:
        async with self.session.transaction():
            return await self.signal.establish(self.peer, bundle)

    async def encrypt(self, plaintext: bytes) -> Sent:
        async with self.session.transaction():
            return await self.signal.encrypt(self.peer, plaintext)

    async def decrypt(self, sent: Sent) -> bytes:
        async with self.session.transaction():
            return await self.signal.decrypt(self.peer, *sent)

    def base_key(self) -> bytes:
        """What identifies the current session at both ends."""
        current = self.session.current_ratchet(self.peer)
        assert current is not None
        return current.base_key

    def content(self) -> dict[str, list[object]]:
        """All that a message can change."""
        tables = ("prekeys", "signed_prekeys", "identities", "ratchets", "file")
        return {name: self.session._rows(f"SELECT * FROM {name}") for name in tables}

    async def refuses(self, sent: Sent, reason: str) -> None:
        """Refused for this reason, by a call that succeeds otherwise, and nothing changed."""
        before = self.content()
        async with self.session.transaction():
            with pytest.raises(Undecryptable) as refused:
                await self.signal.decrypt(self.peer, *sent)
        assert refused.value.reason == reason
        assert self.content() == before


@pytest.fixture
async def alice(tmp_path: Path) -> Device:
    one = Device(tmp_path / "alice.db", BOB)
    await one.register()
    return one


@pytest.fixture
async def bob(tmp_path: Path) -> Device:
    one = Device(tmp_path / "bob.db", ALICE)
    await one.register()
    return one


@pytest.fixture(autouse=True)
def closed(alice: Device, bob: Device) -> Iterator[None]:
    yield
    alice.session.close()
    bob.session.close()


async def open_both(alice: Device, bob: Device) -> None:
    """A conversation in which both have heard each other."""
    await alice.establish(await bob.bundle())
    assert await bob.decrypt(await alice.encrypt(b"hello")) == b"hello"
    assert await alice.decrypt(await bob.encrypt(b"hi")) == b"hi"


# what encrypts


async def test_without_a_session_nothing_is_encrypted(alice: Device) -> None:
    assert not alice.signal.has_session(BOB)
    with pytest.raises(NoSession):
        await alice.encrypt(b"hello")


async def test_the_initiator_repeats_itself_until_it_is_heard(alice: Device, bob: Device) -> None:
    await alice.establish(await bob.bundle())
    assert alice.signal.has_session(BOB)
    sent = [await alice.encrypt(b"%d" % n) for n in range(3)]
    assert [kind for kind, _ in sent] == ["pkmsg"] * 3
    assert [await bob.decrypt(one) for one in reversed(sent)] == [b"2", b"1", b"0"]
    assert len(bob.session.ratchets(ALICE)) == 1
    assert (await bob.encrypt(b"heard"))[0] == "msg"
    await alice.decrypt(await bob.encrypt(b"heard"))
    assert (await alice.encrypt(b"3"))[0] == "msg"
    assert alice.base_key() == bob.base_key()


async def test_an_archived_session_is_not_encrypted_with(alice: Device, bob: Device) -> None:
    await open_both(alice, bob)
    late = await bob.encrypt(b"late")
    async with alice.session.transaction():
        alice.session.archive_ratchet(BOB)
    with pytest.raises(NoSession):
        await alice.encrypt(b"x")
    assert await alice.decrypt(late) == b"late"
    assert alice.signal.has_session(BOB), "the peer evidently uses it"


async def test_what_does_not_commit_was_not_encrypted(alice: Device, bob: Device) -> None:
    await open_both(alice, bob)
    before = alice.content()

    async def fail() -> None:
        async with alice.session.transaction():
            await alice.signal.encrypt(BOB, b"x")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert alice.content() == before


async def test_too_much_is_not_encrypted(alice: Device, bob: Device) -> None:
    await open_both(alice, bob)
    with pytest.raises(ValueError, match="too large"):
        await alice.encrypt(bytes(1 << 20))
    largest = b"x" * (envelope.MAX_BYTES - 1024)
    assert await bob.decrypt(await alice.encrypt(largest)) == largest


# bundles


async def test_a_bundle_with_a_forged_signature_is_refused(alice: Device, bob: Device) -> None:
    bundle = await bob.bundle()
    stranger = new_key_pair()[1]
    before = alice.content()
    for forged in (
        replace(bundle, signed_prekey=stranger),
        replace(bundle, identity_key=stranger),
        replace(bundle, signed_prekey_signature=bytes(64)),
        replace(bundle, signed_prekey_signature=bundle.signed_prekey_signature[:63]),
        replace(bundle, signed_prekey_signature=b""),
        replace(bundle, identity_key=bytes(32)),
        replace(bundle, prekey=bytes(32)),
        replace(bundle, prekey=b"short"),
    ):
        with pytest.raises(BadSignature):
            await alice.establish(forged)
    assert alice.content() == before


async def test_a_signature_with_libsignals_sign_bit_is_accepted(alice: Device, bob: Device) -> None:
    """As libsignal does: signed with the key as it is, its Edwards sign in the highest bit."""
    own = bob.session.credentials()
    assert own is not None
    bundle = await bob.bundle()
    while True:
        private = new_key_pair()[0]
        edwards = xeddsa.priv_to_ed25519_pub(private)
        if edwards[31] & 0x80:
            break
    public = xeddsa.priv_to_curve25519_pub(private)
    signature = xeddsa.ed25519_priv_sign(private, KEY_TYPE + bundle.signed_prekey)
    signature = signature[:63] + bytes([signature[63] | 0x80])
    assert verify(public, KEY_TYPE + bundle.signed_prekey, signature)
    async with bob.session.transaction():
        bob.session.save_credentials(replace(own, identity_private=private, identity_public=public))
    await alice.establish(replace(bundle, identity_key=public, signed_prekey_signature=signature))
    assert await bob.decrypt(await alice.encrypt(b"hello")) == b"hello"


async def test_a_new_identity_is_told_and_the_old_session_archived(
    alice: Device, bob: Device
) -> None:
    await open_both(alice, bob)
    late = await bob.encrypt(b"before the new installation")
    old_key = alice.base_key()
    await bob.register()
    assert await alice.establish(await bob.bundle()) is True
    assert alice.changes == [BOB]
    new_key = alice.base_key()
    assert new_key != old_key
    assert await alice.decrypt(late) == b"before the new installation"
    assert alice.base_key() == new_key, "the dead session is not brought back"
    assert await bob.decrypt(await alice.encrypt(b"welcome")) == b"welcome"
    assert await alice.establish(await bob.bundle()) is False


async def test_a_first_message_tells_a_new_identity(alice: Device, bob: Device) -> None:
    await open_both(alice, bob)
    await bob.register()
    await bob.establish(await alice.bundle())
    assert await alice.decrypt(await bob.encrypt(b"it is me")) == b"it is me"
    assert alice.changes == [BOB]
    assert await bob.decrypt(await alice.encrypt(b"really?")) == b"really?"


# what decrypts, what is refused


async def test_a_repeat_is_told_from_a_forgery(alice: Device, bob: Device) -> None:
    await open_both(alice, bob)
    first, second = await alice.encrypt(b"1"), await alice.encrypt(b"2")
    await bob.decrypt(first)
    await bob.refuses(first, "old_counter")
    for _ in range(3):  # turns: the chain of the repeated message is an older one then
        await alice.decrypt(await bob.encrypt(b"x"))
        await bob.decrypt(await alice.encrypt(b"y"))
    await bob.refuses(first, "old_counter")
    assert await bob.decrypt(second) == b"2"
    await bob.refuses(second, "old_counter")


async def test_a_repeat_is_told_among_several_sessions(alice: Device, bob: Device) -> None:
    await open_both(alice, bob)
    for _ in range(2):
        message = await alice.encrypt(b"hello")
        await bob.decrypt(message)
        await bob.refuses(message, "old_counter")
        await alice.establish(await bob.bundle())
        await bob.decrypt(await alice.encrypt(b"on another session"))
        await bob.refuses(message, "old_counter")
    await alice.decrypt(await bob.encrypt(b"heard"))
    current = await alice.encrypt(b"on the current session")
    await bob.decrypt(current)
    await bob.refuses(current, "old_counter")


async def test_a_mac_is_needed_and_is_strict(alice: Device, bob: Device) -> None:
    await open_both(alice, bob)
    kind, data = await alice.encrypt(b"hello")
    for position in range(1, 9):
        spoilt = bytearray(data)
        spoilt[-position] ^= 0x80
        await bob.refuses((kind, bytes(spoilt)), "bad_mac")
    for cut in range(1, 9):
        with pytest.raises(Undecryptable):
            await bob.decrypt((kind, data[:-cut]))
    await bob.refuses((kind, data[:-8] + bytes(8)), "bad_mac")
    await bob.refuses((kind, data + b"\0"), "invalid_message")
    assert await bob.decrypt((kind, data)) == b"hello"


async def test_a_forged_first_message_uses_no_prekey_up(alice: Device, bob: Device) -> None:
    await alice.establish(await bob.bundle())
    kind, data = await alice.encrypt(b"hello")
    first = PrekeyMessage.decode(data)
    inner = bytearray(first.message)
    inner[-1] ^= 1
    for forged, reason in (
        (replace(first, message=bytes(inner)), "bad_mac"),
        (replace(first, message=first.message[:-8]), "invalid_message"),
        (replace(first, base_key=new_key_pair()[1]), "bad_mac"),
        (replace(first, base_key=bytes(32)), "invalid_message"),
        (replace(first, base_key=_highest_bit_set(first.base_key)), "invalid_message"),
        (replace(first, identity_key=new_key_pair()[1]), "bad_mac"),
        (replace(first, prekey_id=None), "bad_mac"),
        (replace(first, message=_ahead(first.message, 2_001)), "too_far"),
        (replace(first, prekey_id=99), "invalid_prekey"),
        (replace(first, signed_prekey_id=99), "invalid_signed_prekey"),
    ):
        await bob.refuses((kind, forged.encode()), reason)
    await bob.refuses(("msg", first.message), "no_session")
    assert await bob.decrypt((kind, data)) == b"hello"
    assert bob.session.prekey(1) is None
    # The same prekey again, for another session: used up.
    await bob.refuses((kind, replace(first, base_key=new_key_pair()[1]).encode()), "invalid_prekey")
    await bob.refuses((kind, data), "old_counter")


def _ahead(message: bytes, counter: int) -> bytes:
    key = envelope.SignalMessage.decode(message).ratchet_key
    return envelope.unsigned_message(envelope.header(key, counter, 0), bytes(16)) + bytes(8)


def _highest_bit_set(key: bytes) -> bytes:
    return key[:31] + bytes([key[31] | 0x80])


async def test_a_ratchet_key_of_low_order_is_refused(alice: Device, bob: Device) -> None:
    await open_both(alice, bob)
    kind, data = await alice.encrypt(b"hello")
    message = envelope.SignalMessage.decode(data)
    zero = envelope.unsigned_message(envelope.header(bytes(32), 0, 0), message.ciphertext)
    await bob.refuses((kind, zero + bytes(8)), "invalid_message")


async def test_nobody_sends_on_the_signed_prekeys_chain(alice: Device, bob: Device) -> None:
    bundle = await bob.bundle()
    await alice.establish(bundle)
    forged = envelope.unsigned_message(envelope.header(bundle.signed_prekey, 0, 0), bytes(16))
    await alice.refuses(("msg", forged + bytes(8)), "invalid_message")


async def test_a_replaced_signed_prekey_still_serves(alice: Device, bob: Device) -> None:
    old = await bob.bundle()
    own = bob.session.credentials()
    assert own is not None
    fresh = new_signed_prekey(own.identity_private, own.signed_prekey.id + 1)
    async with bob.session.transaction():
        bob.session.save_credentials(replace(own, signed_prekey=fresh))
    await alice.establish(old)
    assert await bob.decrypt(await alice.encrypt(b"by the old")) == b"by the old"
    await alice.establish(await bob.bundle())
    assert await bob.decrypt(await alice.encrypt(b"by the new")) == b"by the new"


async def test_missing_messages_are_bridged_to_a_bound(alice: Device, bob: Device) -> None:
    await open_both(alice, bob)
    async with alice.session.transaction():
        missing = [await alice.signal.encrypt(BOB, b"%d" % n) for n in range(2_100)]
    assert await bob.decrypt(missing[-1]) == b"2099"
    stored = bob.session.current_ratchet(ALICE)
    assert stored is not None
    assert len(ratchet.Ratchet.load(stored.state)._double.model.skipped_message_keys) == 2_000
    assert await bob.decrypt(missing[200]) == b"200"
    await bob.refuses(missing[10], "old_counter")


async def test_a_forged_counter_costs_little(alice: Device, bob: Device) -> None:
    await open_both(alice, bob)
    kind, data = await alice.encrypt(b"hello")
    message = envelope.SignalMessage.decode(data)

    def forged(key: bytes, counter: int, previous: int) -> Sent:
        head = envelope.header(key, counter, previous)
        return kind, envelope.unsigned_message(head, message.ciphertext) + bytes(8)

    await bob.refuses(forged(message.ratchet_key, 2**32 - 1, 0), "too_far")
    await bob.refuses(forged(new_key_pair()[1], 2**32 - 1, 0), "too_far")
    await bob.refuses(forged(new_key_pair()[1], 0, 2**32 - 2), "bad_mac")
    began = time.process_time()
    await bob.refuses(forged(message.ratchet_key, 25_000, 0), "bad_mac")
    print(f"a forged jump of 25 000: {time.process_time() - began:.3f} s")
    assert await bob.decrypt((kind, data)) == b"hello"


@pytest.mark.parametrize("written", [lambda n: max(n - 1, 0), lambda n: (n - 1) & 0xFFFF_FFFF])
async def test_libsignals_previous_counter_loses_nothing(
    alice: Device, bob: Device, monkeypatch: pytest.MonkeyPatch, written: Callable[[int], int]
) -> None:
    """It writes the last message's counter; the specification, how many messages there were."""
    monkeypatch.setattr(
        ratchet,
        "_encoded",
        lambda sent: envelope.header(
            sent.ratchet_pub,
            sent.sending_chain_length,
            written(sent.previous_sending_chain_length),
        ),
    )
    await open_both(alice, bob)
    assert await bob.decrypt(await alice.encrypt(b"on the new chain")) == b"on the new chain"
    late = [await alice.encrypt(b"%d" % n) for n in range(3)]
    assert await alice.decrypt(await bob.encrypt(b"turn")) == b"turn"
    assert await bob.decrypt(await alice.encrypt(b"after")) == b"after"
    assert [await bob.decrypt(one) for one in late] == [b"0", b"1", b"2"]


async def test_a_session_restored_by_the_peer_from_its_archive(
    alice: Device, bob: Device, tmp_path: Path
) -> None:
    """Each of 30 sessions still decrypts, and the one used becomes current."""
    await open_both(alice, bob)
    messages = []
    for n in range(30):
        await alice.establish(await bob.bundle())
        assert await bob.decrypt(await alice.encrypt(b"hello")) == b"hello"
        messages.append(await alice.encrypt(b"%d" % n))
    for n in (3, 29, 0, 17):
        assert await bob.decrypt(messages[n]) == b"%d" % n
        assert bob.base_key() == PrekeyMessage.decode(messages[n][1]).base_key
    assert len(bob.session.ratchets(ALICE)) == 31


async def test_a_message_meant_for_another_is_refused(
    alice: Device, bob: Device, tmp_path: Path
) -> None:
    await open_both(alice, bob)
    with closing(Session.open(tmp_path / "carol.db", 1)) as third:
        carol = Signal(third)
        async with third.transaction():
            third.save_credentials(new_credentials())
            await carol.establish(BOB, await bob.bundle())
            await carol.encrypt(BOB, b"x")
        kind, data = await alice.encrypt(b"hello")
        with pytest.raises(Undecryptable, match="bad_mac"):
            async with third.transaction():
                await carol.decrypt(BOB, kind, data)


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    fresh=st.booleans(),
    act=st.sampled_from(["flip", "cut", "insert", "other kind"]),
    place=st.floats(0, 1, exclude_max=True),
    size=st.integers(1, 50),
    noise=st.binary(min_size=1, max_size=20),
)
async def test_nothing_but_undecryptable_comes_of_a_changed_message(
    alice: Device, bob: Device, *, fresh: bool, act: str, place: float, size: int, noise: bytes
) -> None:
    if not bob.signal.has_session(ALICE):
        await open_both(alice, bob)
    if fresh:
        await alice.establish(await bob.bundle())
    kind, raw = await alice.encrypt(b"hello")
    changed = bytearray(raw)
    at = int(place * len(raw))
    if act == "flip":
        changed[at] ^= noise[0] or 1
    elif act == "cut":
        del changed[at : at + size]
    elif act == "insert":
        changed[at:at] = noise
    else:
        kind = "msg" if kind == "pkmsg" else "pkmsg"
    before = bob.content()
    try:
        # Numbers that no MAC covers (the registration id) may change and the message still reads.
        assert await bob.decrypt((kind, bytes(changed))) == b"hello"
    except Undecryptable:
        assert bob.content() == before


# prekeys


async def test_an_unconfirmed_upload_is_repeated_with_the_same_keys(bob: Device) -> None:
    async with bob.session.transaction():
        first = bob.signal.prekeys_to_publish(3)
        given_away = bob.signal.make_prekeys(1)
    async with bob.session.transaction():
        second = bob.signal.prekeys_to_publish(5)
    assert second[:3] == first
    assert given_away[0] not in second
    async with bob.session.transaction():
        bob.signal.published([prekey_id for prekey_id, _ in second])
        third = bob.signal.prekeys_to_publish(2)
    assert not set(third) & set(second)
    assert bob.session._rows("SELECT id FROM prekeys WHERE published = 1") == [
        (number,) for number in range(1, 7)
    ]


async def test_a_registration_is_as_libsignal_makes_it() -> None:
    made = new_credentials()
    assert 1 <= made.registration_id <= 16_380
    assert made.account is None
    key = made.signed_prekey
    assert verify(made.identity_public, KEY_TYPE + key.public, key.signature)


async def test_an_old_copy_of_the_file_cannot_go_on(
    alice: Device, bob: Device, tmp_path: Path
) -> None:
    """Why a ratchet commits before its bytes leave: a key used twice is a message lost."""
    await open_both(alice, bob)
    alice.session.close()
    shutil.copy(tmp_path / "alice.db", tmp_path / "copy.db")
    alice.session = Session.open(tmp_path / "alice.db", 1)
    alice.signal = Signal(alice.session)
    assert await bob.decrypt(await alice.encrypt(b"1")) == b"1"
    with closing(Session.open(tmp_path / "copy.db", 1)) as old:
        async with old.transaction():
            sent = await Signal(old).encrypt(BOB, b"2")
    await bob.refuses(sent, "old_counter")
