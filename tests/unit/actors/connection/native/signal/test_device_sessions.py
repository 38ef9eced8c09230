"""Sessions with devices: what each call guarantees, and what a refusal leaves."""

from __future__ import annotations

import shutil
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from actors.connection.native.signal import signal_messages
from actors.connection.native.signal.device_sessions import (
    NoSession,
    Signal,
    Undecryptable,
    Unprepared,
    new_credentials,
    new_key_pair,
    new_signed_prekey,
)
from actors.connection.native.signal.session_renewal import renew
from actors.connection.native.signal.signal_messages import PrekeyMessage
from actors.connection.native.signal.signatures import KEY_TYPE, verify
from actors.connection.session.session import Session

if TYPE_CHECKING:
    from pathlib import Path

from tests.unit.actors.connection.native.signal_devices import ALICE, BOB, Device, open_both


async def test_without_a_session_nothing_is_encrypted(alice: Device) -> None:
    assert not alice.signal.has_session(BOB)
    with pytest.raises(NoSession):
        await alice.encrypt(b"hello")


async def test_the_initiator_repeats_itself_until_an_answer(alice: Device, bob: Device) -> None:
    await alice.establish(await bob.bundle())
    assert alice.signal.has_session(BOB)
    sent = [await alice.encrypt(b"%d" % n) for n in range(3)]
    assert [kind for kind, _ in sent] == ["pkmsg"] * 3
    assert [await bob.decrypt(one) for one in reversed(sent)] == [b"2", b"1", b"0"]
    assert len(bob.session.keys.ratchets(ALICE)) == 1
    assert (await bob.encrypt(b"heard"))[0] == "msg"
    await alice.decrypt(await bob.encrypt(b"heard"))
    assert (await alice.encrypt(b"3"))[0] == "msg"
    assert alice.base_key() == bob.base_key()


async def test_an_archived_session_is_not_encrypted_with(alice: Device, bob: Device) -> None:
    await open_both(alice, bob)
    late = await bob.encrypt(b"late")
    async with alice.session.transaction():
        alice.session.keys.archive_ratchet(BOB)
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


async def test_a_new_identity_is_reported_and_the_old_session_archived(
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


async def test_a_forged_first_message_uses_no_prekey_up(alice: Device, bob: Device) -> None:
    await alice.establish(await bob.bundle())
    kind, data = await alice.encrypt(b"hello")
    first = PrekeyMessage.decode(data)
    message = bytes(first.message)
    inner = bytearray(message)
    inner[-1] ^= 1
    for forged, reason in (
        (replace(first, message=bytes(inner)), "bad_mac"),
        (replace(first, message=message[:-8]), "invalid_message"),
        (replace(first, base_key=new_key_pair()[1]), "bad_mac"),
        (replace(first, base_key=bytes(32)), "invalid_message"),
        (replace(first, base_key=_highest_bit_set(first.base_key)), "invalid_message"),
        (replace(first, identity_key=new_key_pair()[1]), "bad_mac"),
        (replace(first, prekey_id=None), "bad_mac"),
        (replace(first, message=_ahead(message, 2_001)), "too_far"),
        (replace(first, prekey_id=99), "invalid_prekey"),
        (replace(first, signed_prekey_id=99), "invalid_signed_prekey"),
    ):
        await bob.refuses((kind, forged.encode()), reason)
    await bob.refuses(("msg", message), "no_session")
    assert await bob.decrypt((kind, data)) == b"hello"
    assert bob.session.keys.prekey(1) is None
    # The same prekey again, for another session: used up.
    await bob.refuses((kind, replace(first, base_key=new_key_pair()[1]).encode()), "invalid_prekey")
    await bob.refuses((kind, data), "old_counter")


def _ahead(message: bytes, counter: int) -> bytes:
    key = signal_messages.SignalMessage.decode(message).ratchet_key
    return signal_messages.unsigned_message(
        signal_messages.header(key, counter, 0), bytes(16)
    ) + bytes(8)


def _highest_bit_set(key: bytes) -> bytes:
    return key[:31] + bytes([key[31] | 0x80])


async def test_a_replaced_signed_prekey_still_serves(alice: Device, bob: Device) -> None:
    old = await bob.bundle()
    own = bob.session.credentials.read()
    assert own is not None
    fresh = new_signed_prekey(own.identity_private, own.signed_prekey.id + 1)
    async with bob.session.transaction():
        bob.session.credentials.save(replace(own, signed_prekey=fresh))
    await alice.establish(old)
    assert await bob.decrypt(await alice.encrypt(b"by the old")) == b"by the old"
    await alice.establish(await bob.bundle())
    assert await bob.decrypt(await alice.encrypt(b"by the new")) == b"by the new"


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
    assert len(bob.session.keys.ratchets(ALICE)) == 31


async def test_an_archived_session_goes_on_where_it_is(alice: Device, bob: Device) -> None:
    """A long chain of it is read in order, within an ordinary message's effort, and becomes current."""
    await open_both(alice, bob)
    old = alice.base_key()
    async with alice.session.transaction():
        sent = [await alice.signal.encrypt(BOB, b"%d" % n) for n in range(1_000)]
    for one in sent:
        await bob.decrypt(one)
    archived = alice.session.keys.current_ratchet(BOB)
    assert archived is not None
    for _ in range(20):
        await alice.establish(await bob.bundle())
        await bob.decrypt(await alice.encrypt(b"on another"))
    assert bob.base_key() != old
    async with alice.session.transaction():
        alice.session.keys.promote_ratchet(BOB, archived.id)
    kind, data = await alice.encrypt(b"on the first")
    async with bob.session.transaction():  # not prepared
        assert await bob.signal.decrypt(ALICE, kind, data) == b"on the first"
    assert bob.base_key() == old


async def test_more_than_an_ordinary_message_is_prepared_first(alice: Device, bob: Device) -> None:
    """And what was prepared serves only as long as the session stands where it stood."""
    await open_both(alice, bob)
    async with alice.session.transaction():
        sent = [await alice.signal.encrypt(BOB, b"%d" % n) for n in range(203)]
    for kind, data in (sent[-1], sent[-2]):
        await bob.signal.prepare(ALICE, kind, data)
    bob.signal.forget_prepared()
    before = bob.content()
    async with bob.session.transaction():
        with pytest.raises(Unprepared):
            await bob.signal.decrypt(ALICE, *sent[-1])
    assert bob.content() == before
    for one in (sent[-1], sent[-2]):
        await bob.signal.prepare(ALICE, *one)
    async with bob.session.transaction():
        await bob.signal.encrypt(ALICE, b"sent meanwhile")
        assert await bob.signal.decrypt(ALICE, *sent[-1]) == b"202"
        assert await bob.signal.decrypt(ALICE, *sent[-2]) == b"201", "by its skipped key"
        with pytest.raises(Undecryptable, match="old_counter"):
            await bob.signal.decrypt(ALICE, *sent[-1])


async def test_what_another_reader_has_read_since_is_not_read_again(
    alice: Device, bob: Device
) -> None:
    """A result serves only on the state that it was computed from."""
    await open_both(alice, bob)
    sent = [await alice.encrypt(b"%d" % n) for n in range(3)]
    for one in (sent[0], sent[2]):
        await bob.signal.prepare(ALICE, *one)
    async with bob.session.transaction():
        assert await Signal(bob.session).decrypt(ALICE, *sent[2]) == b"2"
        with pytest.raises(Undecryptable, match="old_counter"):
            await bob.signal.decrypt(ALICE, *sent[2])
        assert await bob.signal.decrypt(ALICE, *sent[0]) == b"0"
    async with bob.session.transaction():
        bob.session.forget_credentials()
        bob.session.credentials.save(new_credentials())
    await bob.refuses(sent[1], "no_session")


async def test_first_messages_that_were_prepared_together_are_of_one_session(
    alice: Device, bob: Device
) -> None:
    await alice.establish(await bob.bundle(prekey=False))
    sent = [await alice.encrypt(b"%d" % n) for n in range(3)]
    for one in sent:
        await bob.signal.prepare(ALICE, *one)
    async with bob.session.transaction():
        for number in (1, 0, 2):
            assert await bob.signal.decrypt(ALICE, *sent[number]) == b"%d" % number
    assert len(bob.session.keys.ratchets(ALICE)) == 1


@pytest.mark.parametrize("renewed", [True, False])
async def test_a_renewed_copy_reads_the_chain_that_answers_the_lost_file(
    alice: Device, bob: Device, tmp_path: Path, *, renewed: bool
) -> None:
    """A session on which nothing was sent has no next chain, unless another copy may have sent on it."""
    await open_both(alice, bob)
    await bob.decrypt(await alice.encrypt(b"turn"))
    bob.session.close()
    shutil.copy(tmp_path / "bob.db", tmp_path / "copy.db")
    with closing(Session.open(tmp_path / "bob.db", 1)) as lost:
        async with lost.transaction():
            await alice.decrypt(await Signal(lost).encrypt(ALICE, b"of the lost file"))
    answer = await alice.encrypt(b"an answer to it")
    bob.session = Session.open(tmp_path / "copy.db", 2)
    bob.signal = Signal(bob.session)
    if not renewed:
        await bob.refuses(answer, "bad_mac")
        return
    await renew(bob.session)
    assert await bob.decrypt(answer) == b"an answer to it"


@pytest.mark.parametrize("prekey", [True, False])
async def test_a_first_message_from_before_the_renewal_sets_up_a_session_that_only_decrypts(
    alice: Device, bob: Device, tmp_path: Path, *, prekey: bool
) -> None:
    """The lost file may have answered it already: another answer on that session could not be read."""
    await alice.establish(await bob.bundle(prekey=prekey))
    first, second = await alice.encrypt(b"first"), await alice.encrypt(b"second")
    bob.session.close()
    shutil.copy(tmp_path / "bob.db", tmp_path / "copy.db")
    with closing(Session.open(tmp_path / "bob.db", 1)) as lost:
        signal = Signal(lost)
        await signal.prepare(ALICE, *first)
        async with lost.transaction():
            assert await signal.decrypt(ALICE, *first) == b"first"
            await alice.decrypt(await signal.encrypt(ALICE, b"of the lost file"))
    bob.session = Session.open(tmp_path / "copy.db", 2)
    bob.signal = Signal(bob.session)
    await renew(bob.session)
    # WhatsApp has not seen them acknowledged, and delivers them again.
    assert await bob.decrypt(first) == b"first"
    with pytest.raises(NoSession):
        await bob.encrypt(b"on the session of the lost file")
    await bob.establish(await alice.bundle())
    assert await bob.decrypt(second) == b"second"
    assert await alice.decrypt(await bob.encrypt(b"on a fresh one")) == b"on a fresh one"
    assert len(bob.session.keys.ratchets(ALICE)) == 2


async def test_a_first_message_from_after_the_renewal_is_answered_on_its_session(
    alice: Device, bob: Device
) -> None:
    await renew(bob.session)
    await alice.establish(await bob.bundle())
    await bob.decrypt(await alice.encrypt(b"first"))
    assert await alice.decrypt(await bob.encrypt(b"answer")) == b"answer"


async def test_a_prekey_serves_one_of_two_first_messages_that_were_prepared(
    alice: Device, bob: Device, tmp_path: Path
) -> None:
    bundle = await bob.bundle()
    carol = Device(tmp_path / "carol.db", BOB)
    await carol.register()
    for one in (alice, carol):
        await one.establish(bundle)
    first, second = await alice.encrypt(b"alice"), await carol.encrypt(b"carol")
    carol.session.close()
    await bob.signal.prepare(ALICE, *first)
    await bob.signal.prepare("15550100003@s.whatsapp.net", *second)
    async with bob.session.transaction():
        assert await bob.signal.decrypt(ALICE, *first) == b"alice"
        with pytest.raises(Undecryptable, match="invalid_prekey"):
            await bob.signal.decrypt("15550100003@s.whatsapp.net", *second)


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
    assert bob.session.rows("SELECT id FROM prekeys WHERE published = 1") == [
        (number,) for number in (1, 2, 3, 5, 6)
    ]


async def test_a_registration_is_as_libsignal_makes_it() -> None:
    made = new_credentials()
    assert 1 <= made.registration_id <= 16_380
    assert made.account is None
    key = made.signed_prekey
    assert verify(made.identity_public, KEY_TYPE + key.public, key.signature)
