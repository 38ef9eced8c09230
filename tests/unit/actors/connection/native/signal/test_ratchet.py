"""Messages that decrypt, and refused ones: repeats, forgeries, gaps."""

from __future__ import annotations

import shutil
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actors.connection.native.signal import ratchet, signal_messages
from actors.connection.native.signal.device_sessions import (
    Signal,
    Undecryptable,
    new_credentials,
    new_key_pair,
)
from actors.connection.session.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

from tests.unit.actors.connection.native.signal_devices import ALICE, BOB, Device, Sent, open_both


async def test_a_repeat_differs_from_a_forgery(alice: Device, bob: Device) -> None:
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


async def test_a_repeat_is_recognized_among_several_sessions(alice: Device, bob: Device) -> None:
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


async def test_a_ratchet_key_of_low_order_is_refused(alice: Device, bob: Device) -> None:
    await open_both(alice, bob)
    kind, data = await alice.encrypt(b"hello")
    message = signal_messages.SignalMessage.decode(data)
    zero = signal_messages.unsigned_message(
        signal_messages.header(bytes(32), 0, 0), message.ciphertext
    )
    await bob.refuses((kind, zero + bytes(8)), "invalid_message")


async def test_nobody_sends_on_the_signed_prekeys_chain(alice: Device, bob: Device) -> None:
    bundle = await bob.bundle()
    await alice.establish(bundle)
    forged = signal_messages.unsigned_message(
        signal_messages.header(bundle.signed_prekey, 0, 0), bytes(16)
    )
    await alice.refuses(("msg", forged + bytes(8)), "invalid_message")


async def test_missing_messages_are_bridged_to_a_bound(alice: Device, bob: Device) -> None:
    await open_both(alice, bob)
    async with alice.session.transaction():
        missing = [await alice.signal.encrypt(BOB, b"%d" % n) for n in range(2_100)]
    await bob.refuses(missing[401], "too_far")
    for number in (400, 800, 1_200, 1_600, 2_000, 2_099):
        assert await bob.decrypt(missing[number]) == b"%d" % number
    stored = bob.session.keys.current_ratchet(ALICE)
    assert stored is not None
    assert stored.kept == len(bob.content()["skipped_keys"]) == 2_000, "the newest"
    assert await bob.decrypt(missing[94]) == b"94"
    await bob.refuses(missing[93], "old_counter")
    assert [one.kept for one in bob.session.keys.ratchets(ALICE)] == [1_999]


async def test_a_forged_counter_changes_nothing(alice: Device, bob: Device) -> None:
    await open_both(alice, bob)
    kind, data = await alice.encrypt(b"hello")
    message = signal_messages.SignalMessage.decode(data)

    def forged(key: bytes, counter: int, previous: int) -> Sent:
        head = signal_messages.header(key, counter, previous)
        return kind, signal_messages.unsigned_message(head, message.ciphertext) + bytes(8)

    await bob.refuses(forged(message.ratchet_key, 2**32 - 1, 0), "too_far")
    await bob.refuses(forged(new_key_pair()[1], 2**32 - 1, 0), "too_far")
    await bob.refuses(forged(new_key_pair()[1], 0, 2**32 - 2), "bad_mac")
    await bob.refuses(forged(new_key_pair()[1], 400, 2**32 - 2), "bad_mac")
    await bob.refuses(forged(message.ratchet_key, 25_000, 0), "too_far")
    await bob.refuses(forged(message.ratchet_key, 400, 0), "bad_mac")
    assert await bob.decrypt((kind, data)) == b"hello"


@pytest.mark.parametrize("written", [lambda n: max(n - 1, 0), lambda n: (n - 1) & 0xFFFF_FFFF])
async def test_libsignals_previous_counter_loses_nothing(
    alice: Device, bob: Device, monkeypatch: pytest.MonkeyPatch, written: Callable[[int], int]
) -> None:
    """It writes the last message's counter; the specification, how many messages there were."""
    monkeypatch.setattr(
        ratchet,
        "_encoded",
        lambda sent: signal_messages.header(
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


async def test_a_message_meant_for_another_is_refused(
    alice: Device, bob: Device, tmp_path: Path
) -> None:
    await open_both(alice, bob)
    with closing(Session.open(tmp_path / "carol.db", 1)) as third:
        carol = Signal(third)
        async with third.transaction():
            third.credentials.save(new_credentials())
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
