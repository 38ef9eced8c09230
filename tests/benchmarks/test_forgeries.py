"""The processor time of a message that cannot be read, at the worst state that a peer can build up."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import subprocess
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from actors.connection.native.signal import signal_messages
from actors.connection.native.signal.chains import MAX_JUMP, walk
from actors.connection.native.signal.decryption_budget import (
    BURST,
    LOADING,
    ORDINARY,
    SIGNATURE,
    Budgets,
)
from actors.connection.native.signal.device_sessions import new_key_pair
from actors.connection.native.signal.group_keys import GroupKeys, handing
from actors.connection.native.signal.ratchet import Ratchet
from actors.connection.native.signal.sender_keys import OwnSenderKey
from actors.connection.native.signal.signatures import sign
from actors.connection.protocol.decryption_errors import Unprepared
from actors.connection.protocol.message_size import MAX_CIPHERTEXT
from actors.connection.protocol.wire_format.nodes import Node
from tests.benchmarks.figures import Figure, Figures, median
from tests.unit.actors.connection.native.hostile_peer import fill, forged, forged_first
from tests.unit.actors.connection.native.receiving_device import (
    CONTACT,
    DEVICE,
    GROUP,
    World,
)
from tests.unit.actors.connection.native.signal_devices import Device, Sent

if TYPE_CHECKING:
    from collections.abc import Sequence

SESSIONS, SKIPPED = 41, 2_000
ROUNDS = 30
MEGABYTE = 1_000_000
LARGEST = MAX_CIPHERTEXT - 512
"""Bytes of a ciphertext whose message is not refused by its size."""
AT_MOST = 3.3
"""HMACs of one jump: 2 ms where an HMAC takes 1.5 µs."""
Part = tuple[str, bytes]
"""The kind of a ciphertext, and its bytes."""
GO = os.environ.get("GO", "go")
BRIDGE = Path(__file__).parents[2] / "actors/connection/whatsmeow/bridge"


async def test_forgeries(tmp_path: Path, figures: Figures) -> None:
    peer, device = Device(tmp_path / "peer.db", DEVICE), Device(tmp_path / "device.db", CONTACT)
    with closing(peer.session), closing(device.session):
        await peer.register()
        await device.register()
        for _ in range(SESSIONS):
            device.signal.budgets = Budgets()
            await fill(peer, device, sessions=1, skipped=SKIPPED)
        stored = device.session.keys.current_ratchet(device.peer)
        assert stored is not None
        chain = Ratchet.load(stored.state).receiving
        assert chain is not None
        kept = device.session.rows("SELECT count(*) FROM skipped_keys")[0][0]
        assert kept == 10_000, "the bound of a device"
        own = await _handed(device)
        direct: dict[str, list[Part]] = {
            "under a new key": [forged(0)],
            "late in a new chain": [forged(MAX_JUMP)],
            "late in the newest chain": [forged(chain.counter + MAX_JUMP, key=chain.ratchet_key)],
            "too late": [forged(25_000)],
            "of 64 kB": [forged(0, size=65_536)],
            "a first one": [forged_first(device, ORDINARY)],
            "the largest": [forged(0, size=LARGEST)],
            "the largest, late in a new chain": [forged(MAX_JUMP, size=LARGEST)],
            "the largest, a first one": [forged_first(device, LOADING, size=LARGEST)],
            "the largest, of tiny fields": [("msg", _tiny(MAX_CIPHERTEXT))],
            "of 1 MB": [forged(0, size=MEGABYTE)],
            "of 1 MB, a first one": [forged_first(device, ORDINARY, size=MEGABYTE)],
        }
        handing_over, ahead = forged_first(device, ORDINARY), ORDINARY - SIGNATURE
        of_group: dict[str, list[Part]] = {
            "by its member": [_of_group(own, 15)],
            "by its member, with a key": [handing_over, _of_group(own, 15)],
            "the largest, by another": [_of_group(own, LARGEST, ahead, signed=False)],
            "the largest, by its member": [_of_group(own, LARGEST - 1, ahead)],
            "the largest, too late": [_of_group(own, LARGEST - 1)],
            "the largest, with a key": [handing_over, _of_group(own, LARGEST - 1025, ahead)],
            "the largest, of tiny fields": [("skmsg", _tiny(MAX_CIPHERTEXT))],
            "of 1 MB, by another": [_of_group(own, MEGABYTE, signed=False)],
            "of 1 MB, by its member": [_of_group(own, MEGABYTE - 1)],
        }
        world = World(device.session, peer.session)
        jumps: list[float] = []
        for name, kinds, chat in (
            ("forged message, 41 sessions, all keys", direct, {"from": CONTACT}),
            ("forged message of a group", of_group, {"from": GROUP, "participant": CONTACT}),
        ):
            spent: dict[str, float] = {}
            for kind, parts in kinds.items():
                jumps += [_jump() for _ in range(ROUNDS)]
                spent[kind] = median(await _refused(world, chat, parts))
            worst = max(spent, key=spent.__getitem__)
            figures.add(
                Figure(
                    name,
                    spent[worst] * 1e3,
                    "ms",
                    against=median(jumps) * 1e3,
                    at_most=AT_MOST,
                    remarks={
                        "worst": worst,
                        "against": f"{MAX_JUMP} HMACs",
                        **{f"{kind} (ms)": value * 1e3 for kind, value in spent.items()},
                    },
                )
            )
        exhausted = await _refused(world, {"from": CONTACT}, [forged(0)], spent_before=2 * BURST)
        genuine = [await peer.encrypt(bytes(LARGEST)) for _ in range(ROUNDS)]
        for name, times in (
            ("forged message, its device over budget", exhausted),
            ("genuine message, the largest", await _read(device, genuine)),
            ("message in order, same state", await _in_order(peer, device)),
        ):
            figures.add(Figure(name, median(times) * 1e3, "ms", against=median(jumps) * 1e3))


def _jump() -> float:
    began = time.process_time()
    walk(bytes(32), MAX_JUMP)
    return time.process_time() - began


async def _refused(
    world: World, chat: dict[str, str], parts: Sequence[Part], *, spent_before: int = 0
) -> list[float]:
    """Processor seconds for each, its retry receipt with it; its batch shares a transaction, which is left out.

    As the receive pipeline does it: taken, prepared, taken again.
    """
    times: list[float] = []
    for _ in range(ROUNDS):
        # Bytes of its own for each, as they come from the socket.
        encrypted = tuple(
            Node("enc", {"v": "2", "type": kind}, bytes(bytearray(data))) for kind, data in parts
        )
        stanza = Node("message", {"id": secrets.token_hex(8), "t": "900", **chat}, encrypted)
        world.signal.budgets._full_at.clear()
        world.incoming.forget_prepared()
        with world.signal.budgets.allowance(CONTACT, 0) as allowance:
            allowance.pay(spent_before)
        spent = 0.0
        async with world.session.transaction():
            began = time.process_time()
            try:
                with world.session.savepoint():
                    outcome = await world.incoming.take(stanza)
            except Unprepared:
                outcome = world.incoming.postpone(stanza)
            spent += time.process_time() - began
        if outcome.counted == "message.postponed":
            began = time.process_time()
            await world.incoming.prepare(stanza)
            spent += time.process_time() - began
            async with world.session.transaction():
                began = time.process_time()
                try:
                    with world.session.savepoint():
                        outcome = await world.incoming.take(stanza)
                except Unprepared:
                    outcome = await world.incoming.take_unprepared(stanza)
                spent += time.process_time() - began
        assert outcome.counted == "message.asked_for"
        times.append(spent)
    return times


async def _read(device: Device, made: Sequence[Sent]) -> list[float]:
    """Processor seconds for each message, without its stanza: tried in a transaction, prepared, decrypted."""
    times = []
    for kind, data in made:
        device.signal.budgets = Budgets()
        device.signal.forget_prepared()
        async with device.session.transaction():
            began = time.process_time()
            with pytest.raises(Unprepared):
                await device.signal.decrypt(device.peer, kind, data)
            spent = time.process_time() - began
        began = time.process_time()
        await device.signal.prepare(device.peer, kind, data)
        spent += time.process_time() - began
        async with device.session.transaction():
            began = time.process_time()
            await device.signal.decrypt(device.peer, kind, data)
            times.append(spent + time.process_time() - began)
    return times


async def _handed(device: Device) -> OwnSenderKey:
    """Have the device take a member's key for the group."""
    own = OwnSenderKey.make(new_key_pair())
    async with device.session.transaction():
        GroupKeys(device.session).take(GROUP, device.peer, handing(GROUP, own))
    return own


def _of_group(own: OwnSenderKey, size: int, ahead: int = MAX_JUMP, *, signed: bool = True) -> Part:
    """A message of a member's, so far ahead, that no key decrypts."""
    message = (
        b"\x33"
        + signal_messages.number_field(1, own.key_id)
        + signal_messages.number_field(2, own.iteration + ahead)
        + signal_messages.blob_field(3, bytes(size))
    )
    return "skmsg", message + (sign(own.private, message) if signed else bytes(64))


def _tiny(size: int) -> bytes:
    """A message of fields that nobody knows, of two bytes each."""
    return b"\x33" + b"\x48\x00" * (size // 2 - 1)


async def _in_order(peer: Device, device: Device) -> list[float]:
    times = []
    for _ in range(ROUNDS):
        kind, data = await peer.encrypt(b"hello")
        async with device.session.transaction():
            began = time.process_time()
            await device.signal.decrypt(device.peer, kind, data)
            times.append(time.process_time() - began)
    return times


@pytest.mark.skipif(
    shutil.which(GO) is None, reason="Go is not installed: forgeries on whatsmeow are not measured"
)
@pytest.mark.timeout(600)
def test_forgeries_on_whatsmeow(figures: Figures) -> None:
    """The program's own benchmark: its library and database, without the stanza and its answer."""
    spent = _by_the_program()
    library = spent.pop("by the library alone")
    in_order = {name: spent.pop(name) for name in list(spent) if name.startswith("in order")}
    for name, prefixes, remarks in (
        ("of a group", ("the largest of a group, ", "of 1 MB, of a group, ", "of a group, "), {}),
        ("", ("",), {"library alone (ms)": library}),
    ):
        kinds = {kind: spent.pop(kind) for kind in list(spent) if kind.startswith(prefixes)}
        passes = {kind: kinds.pop(kind) for kind in list(kinds) if "one pass" in kind}
        worst = max(kinds, key=kinds.__getitem__)
        figures.add(
            Figure(
                f"forged message {name} on whatsmeow, without its answer".replace("  ", " "),
                kinds[worst],
                "ms",
                at_most=2,
                remarks={
                    "worst": worst,
                    **{f"{kind} (ms)": value for kind, value in {**kinds, **passes}.items()},
                    **remarks,
                },
            )
        )
    figures.add(
        Figure(
            "message in order on whatsmeow, same state",
            in_order["in order, same state"],
            "ms",
            against=in_order["in order, of another"],
            remarks={
                "against": "a peer with one session",
                "the largest (ms)": in_order["in order, the largest"],
            },
        )
    )


def _by_the_program() -> dict[str, float]:
    """Milliseconds of processor time for each kind, medians."""
    if _go("mod", "download").returncode:
        pytest.skip("No modules of Go here: forgeries on whatsmeow are not measured")
    bench = ("-bench", "^BenchmarkForgeries$", "-benchtime", f"{ROUNDS}x")
    ran = _go("test", "./library", "-run", "^$", *bench)
    ran.check_returncode()
    line = re.compile(
        r"^BenchmarkForgeries/(\S+?)(?:-\d+)?\s.*?(\S+) processor-ms/op", re.MULTILINE
    )
    return {name.replace("_", " "): float(spent) for name, spent in line.findall(ran.stdout)}


def _go(*words: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"GOTOOLCHAIN": "local"}
    return subprocess.run(
        [GO, *words], cwd=BRIDGE, env=environment, stdout=subprocess.PIPE, text=True, check=False
    )
