"""The cost of messages that cannot be read, at the worst state that a peer can build up."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections import Counter
from contextlib import suppress
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from actors.connection.native.signal import message_cipher, signal_messages, signatures
from actors.connection.native.signal.decryption_budget import BURST
from actors.connection.native.signal.device_sessions import Undecryptable, Unprepared, new_key_pair
from actors.connection.native.signal.group_keys import GroupKeys, handing
from actors.connection.native.signal.sender_keys import OwnSenderKey
from actors.connection.native.signal.signatures import sign
from actors.connection.protocol.receive import wrappers
from actors.connection.protocol.receive.stanza_receiver import Receiver
from actors.connection.protocol.wire_format.nodes import Node
from tests.unit.actors.connection.native.hostile_peer import Cost, fill, forged, forged_first
from tests.unit.actors.connection.native.receiving_device import CONTACT, DEVICE, GROUP, World, text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.connection.native.transport.socket import Socket
    from tests.unit.actors.connection.native.signal_devices import Device, Sent

MANY = 100


async def refused(device: Device, sent: Sent) -> str:
    with pytest.raises(Undecryptable) as error:
        await device.decrypt(sent)
    return error.value.reason


async def test_a_forgery_reads_little_of_the_file(
    alice: Device, bob: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(alice, bob, sessions=41, skipped=50)
    cost = Cost(bob.session, monkeypatch)
    for counter in (0, 30, 2_000):
        cost.clear()
        await refused(bob, forged(counter))
        print(f"read for a forgery of counter {counter}: {cost.bytes_read} bytes")
        assert 0 < cost.bytes_read < 32_768


@pytest.mark.parametrize("kind", ["msg", "pkmsg"])
async def test_a_forged_megabyte_is_read_once_and_not_copied(
    alice: Device, bob: Device, kind: str
) -> None:
    """Each copy would take longer than its MAC."""
    await fill(alice, bob, sessions=3, skipped=0)
    size = 1_000_000
    made = forged(0, size=size) if kind == "msg" else forged_first(bob, size=size)
    tracemalloc.start()
    try:
        assert await refused(bob, made) == "bad_mac"
        assert tracemalloc.get_traced_memory()[1] < 300_000
    finally:
        tracemalloc.stop()


async def test_a_long_message_in_order_is_read_without_a_budget(alice: Device, bob: Device) -> None:
    """Its bytes arrived, and are authenticated once."""
    await fill(alice, bob, sessions=1, skipped=0)
    with bob.signal.budgets.allowance(bob.peer, 0) as allowance:
        allowance.pay(2 * BURST)
    assert bob.signal.budgets.exhausted(bob.peer)
    for _ in range(3):
        sent = await alice.encrypt(bytes(500_000))
        with pytest.raises(Unprepared):
            async with bob.session.transaction():
                await bob.signal.decrypt(bob.peer, *sent)
        assert await bob.decrypt(sent) == bytes(500_000)


async def test_a_forgery_computes_little(
    alice: Device, bob: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(alice, bob, sessions=41, skipped=0)
    newest = signal_messages.SignalMessage.decode((await alice.encrypt(b"x"))[1]).ratchet_key
    cost = Cost(bob.session, monkeypatch)
    for made in (
        forged(0),
        forged(300),
        forged(2_000),
        forged(25_000),
        forged(300, previous=2_000),
        forged(350, key=newest),
        forged(25_000, key=newest),
    ):
        cost.clear()
        await refused(bob, made)
        print(f"a forgery: {cost.hmacs} HMACs, {cost.agreements} agreements")
        assert cost.hmacs <= 600
        assert cost.agreements <= 20


async def test_sessions_that_were_never_answered_have_no_next_chain(
    alice: Device, bob: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A peer alone can set up any number of sessions; none costs an agreement more."""
    for _ in range(5):
        await alice.establish(await bob.bundle(prekey=False))
        await bob.decrypt(await alice.encrypt(b"first"))
    cost = Cost(bob.session, monkeypatch)
    assert await refused(bob, forged(0)) == "bad_mac"
    assert cost.agreements == 0
    assert cost.bytes_read > 0
    await bob.encrypt(b"answer")
    cost.clear()
    assert await refused(bob, forged(0)) == "bad_mac"
    assert cost.agreements == 1


async def test_a_peer_that_forges_for_ever_is_not_computed_for(
    alice: Device, bob: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(alice, bob, sessions=5, skipped=0)
    cost = Cost(bob.session, monkeypatch)
    for number in range(MANY):
        await refused(bob, forged(number))
    print(f"{MANY} forgeries: {cost.hmacs} HMACs, {cost.agreements} agreements")
    cost.clear()
    for _ in range(MANY):
        await refused(bob, forged(300))
    assert cost.hmacs <= MANY * 40
    assert cost.agreements <= MANY
    # The budget is for forgeries alone: an ordinary message is read all the same.
    assert await bob.decrypt(await alice.encrypt(b"hello")) == b"hello"
    await alice.establish(await bob.bundle())
    assert await bob.decrypt(await alice.encrypt(b"on a new session")) == b"on a new session"


async def test_a_device_without_budget_ends_no_batch(alice: Device, bob: Device) -> None:
    """Preparing its message would give it no more: it is refused inside the transaction."""
    await fill(alice, bob, sessions=2, skipped=0)
    with bob.signal.budgets.allowance(bob.peer, 0) as allowance:
        allowance.pay(2 * BURST)
    async with bob.session.transaction():
        for counter in (0, 350):
            with pytest.raises(Undecryptable, match="over_budget"):
                await bob.signal.decrypt(bob.peer, *forged(counter))


class Wire:
    """Stands for the socket: it counts answers."""

    def __init__(self) -> None:
        self.sent: list[Node] = []
        self.more = asyncio.Event()

    async def send(self, *nodes: Node) -> None:
        self.sent += nodes
        self.more.set()


async def received(receiver: World, stanzas: Sequence[Node]) -> None:
    """Have the receive pipeline take all of these at once, until each is answered."""
    wire = Wire()

    async def ignore() -> None:
        return None

    pipeline = Receiver(
        receiver.session,
        cast("Socket", wire),
        receiver.incoming,
        prepares=receiver.incoming,
        counts=Counter(),
        on_inbox=ignore,
        on_task=lambda *_: None,
    )
    for stanza in stanzas:
        await pipeline.put(stanza)
    running = asyncio.create_task(pipeline.run())
    acks = [stanza.attrs["id"] for stanza in stanzas]
    async with asyncio.timeout(20):
        while [node.attrs["id"] for node in wire.sent if node.tag == "ack"] != acks:
            await wire.more.wait()
            wire.more.clear()
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


def stanza_of(number: int, *parts: Sent | tuple[str, bytes], **attrs: str) -> Node:
    encrypted = tuple(Node("enc", {"v": "2", "type": kind}, data) for kind, data in parts)
    named = {"id": f"FORGED{number}", "from": CONTACT, "t": "900", **attrs}
    return Node("message", named, encrypted)


async def test_no_forgery_is_computed_inside_the_transaction(
    receiver: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Readable messages between forgeries are stored, in order, and each stanza is answered."""
    await receiver.take(await receiver.message(text("first")))
    async with receiver.session.transaction():
        await receiver.signal.encrypt(CONTACT, b"answer")
    stanzas = []
    for number in range(6):
        stanzas += [await receiver.message(text(f"{number}")), stanza_of(number, forged(350))]
    cost = Cost(receiver.session, monkeypatch)
    await received(receiver, stanzas)
    assert [one.text for one in receiver.messages()] == ["first", *map(str, range(6))]
    print(f"{cost.hmacs} HMACs, {cost.within} of them inside a transaction")
    assert cost.hmacs > 350, "no forgery was tried"
    assert cost.within < len(stanzas) * 40


async def test_a_large_forgery_between_readable_messages_is_computed_once(
    receiver: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its sender's keys change before and after it, and it is not computed anew for each change."""
    await receiver.take(await receiver.message(text("first")))
    async with receiver.session.transaction():
        answer = await receiver.signal.encrypt(CONTACT, b"answer")
    async with receiver.other.transaction():
        await receiver.other_signal.decrypt(DEVICE, *answer)
    stanzas = []
    for number in range(20):
        genuine = await receiver.message(text(f"{number}"))
        message = signal_messages.SignalMessage.decode(genuine.children("enc")[0].data)
        key, ahead = message.ratchet_key, message.counter + 1
        stanzas += [genuine, stanza_of(number, forged(ahead, key=key, size=500_000))]
    computed, mac = 0, message_cipher._mac

    def counted(key: bytes, identities: bytes, message: signal_messages.Bytes) -> bytes:
        nonlocal computed
        computed += len(message) > 400_000
        return mac(key, identities, message)

    monkeypatch.setattr(message_cipher, "_mac", counted)
    await received(receiver, stanzas)
    assert [one.text for one in receiver.messages()] == ["first", *map(str, range(20))]
    assert computed == 20


async def test_a_members_message_with_a_forged_key_computes_little(
    receiver: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One part of a message may take what a message may; a short one in order is read all the same."""
    keys, own = GroupKeys(receiver.session), OwnSenderKey.make(new_key_pair())
    async with receiver.session.transaction():
        keys.take(GROUP, CONTACT, handing(GROUP, own))
    _, own = own.encrypt(b"missing")
    plaintext, attrs = wrappers.pad(text("read")), {"from": GROUP, "participant": CONTACT}
    readable, own = own.encrypt(plaintext)
    device = cast("Device", SimpleNamespace(session=receiver.session))
    cost = Cost(receiver.session, monkeypatch)
    for number, part in enumerate((("skmsg", garbage(own, 390)), ("skmsg", readable))):
        cost.clear()
        await received(receiver, [stanza_of(number, forged_first(device, 150), part, **attrs)])
        print(f"{cost.hmacs} HMACs, {cost.agreements} agreements")
        assert 150 < cost.hmacs < 250
    assert [one.text for one in receiver.messages()] == ["read"]


def garbage(own: OwnSenderKey, ahead: int, size: int = 15) -> bytes:
    """A group's message under its sender's signature, so far ahead, that no key decrypts."""
    signed = (
        b"\x33"
        + signal_messages.number_field(1, own.key_id)
        + signal_messages.number_field(2, own.iteration + ahead)
        + signal_messages.blob_field(3, bytes(size))
    )
    return signed + sign(own.private, signed)


async def test_a_groups_member_makes_it_read_and_compute_little(
    receiver: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys, own = GroupKeys(receiver.session), OwnSenderKey.make(new_key_pair())
    async with receiver.session.transaction():
        keys.take(GROUP, CONTACT, handing(GROUP, own))
    for _ in range(5):
        for _ in range(400):
            message, own = own.encrypt(b"passed over")
        await _read(receiver, keys, message)
    cost = Cost(receiver.session, monkeypatch)
    for ahead in (0, 350, 25_000):
        cost.clear()
        with pytest.raises(Undecryptable):
            await _read(receiver, keys, garbage(own, ahead))
        print(f"{ahead} ahead: {cost.bytes_read} bytes, {cost.hmacs} HMACs")
        assert 0 < cost.bytes_read < 4_096
        assert cost.hmacs <= 600


async def test_a_long_message_of_a_group_is_checked_once_and_outside_the_transaction(
    receiver: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also that of a member without a budget: its bytes arrived."""
    keys, own = GroupKeys(receiver.session), OwnSenderKey.make(new_key_pair())
    async with receiver.session.transaction():
        keys.take(GROUP, CONTACT, handing(GROUP, own))
    checked, check = 0, signatures.verify

    def counted(public: bytes, message: bytes, signature: bytes) -> bool:
        nonlocal checked
        checked += 1
        return check(public, message, signature)

    monkeypatch.setattr(signatures, "verify", counted)
    for left in (BURST, 0):
        with keys._budgets.allowance(CONTACT, 0) as allowance:
            allowance.pay(2 * (BURST - left))
        late, own = own.encrypt(bytes(500_000))
        message, own = own.encrypt(bytes(500_000))
        for each in (_altered(message), message, _altered(late), late):
            checked = 0
            with pytest.raises(Unprepared):
                async with receiver.session.transaction():
                    keys.decrypt(GROUP, CONTACT, each)
            assert checked == 0
            with suppress(Undecryptable):
                assert await _read(receiver, keys, each) == bytes(500_000)
            assert checked == 1


async def test_of_a_members_garbage_one_block_is_decrypted(receiver: World) -> None:
    keys, own = GroupKeys(receiver.session), OwnSenderKey.make(new_key_pair())
    async with receiver.session.transaction():
        keys.take(GROUP, CONTACT, handing(GROUP, own))
    message = garbage(own, 50, 512_000)
    tracemalloc.start()
    try:
        with pytest.raises(Undecryptable, match="invalid_message"):
            await _read(receiver, keys, message)
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


def _altered(message: bytes) -> bytes:
    return message[:-64] + bytes(64)


async def _read(receiver: World, keys: GroupKeys, message: bytes) -> bytes:
    keys.prepare(GROUP, CONTACT, message)
    async with receiver.session.transaction():
        return keys.decrypt(GROUP, CONTACT, message)
