"""The processor time of a message that cannot be read, at the worst state that a peer can build up."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from actors.connection.native.signal import signal_messages
from actors.connection.native.signal.chains import MAX_JUMP, walk
from actors.connection.native.signal.decryption_budget import BURST, ORDINARY, Budgets
from actors.connection.native.signal.device_sessions import Undecryptable, new_key_pair
from actors.connection.native.signal.group_keys import GroupKeys, handing
from actors.connection.native.signal.ratchet import Ratchet
from actors.connection.native.signal.sender_keys import OwnSenderKey
from actors.connection.native.signal.signatures import sign, verify
from actors.connection.protocol.decryption_errors import Unprepared
from actors.connection.protocol.wire_format.nodes import Node
from tests.benchmarks.figures import Figure, Figures, median
from tests.unit.actors.connection.native.hostile_peer import fill, forged, forged_first
from tests.unit.actors.connection.native.receiving_device import CONTACT, DEVICE, World
from tests.unit.actors.connection.native.signal_devices import Device, Sent

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SESSIONS, SKIPPED = 41, 2_000
ROUNDS = 30
MEGABYTE = 1_000_000
AT_MOST = 3.3
"""HMACs of one jump: 2 ms where an HMAC takes 1.5 µs."""
GROUP = "120363000000000001@g.us"
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
        kinds = {
            "under a new key": [forged(0) for _ in range(ROUNDS)],
            "late in a new chain": [forged(MAX_JUMP) for _ in range(ROUNDS)],
            "late in the newest chain": [
                forged(chain.counter + MAX_JUMP, key=chain.ratchet_key) for _ in range(ROUNDS)
            ],
            "too late": [forged(25_000) for _ in range(ROUNDS)],
            "of 64 kB": [forged(0, size=65_536) for _ in range(ROUNDS)],
            "a first one": [forged_first(device, ORDINARY) for _ in range(ROUNDS)],
        }
        world = World(device.session, peer.session)
        jumps: list[float] = []
        spent: dict[str, float] = {}
        for name, made in kinds.items():
            jumps += [_jump() for _ in range(ROUNDS)]
            spent[name] = median(await _refused(world, made))
        jump = median(jumps)
        worst = max(spent, key=spent.__getitem__)
        figures.add(
            Figure(
                "forged message, 41 sessions, all keys",
                spent[worst] * 1e3,
                "ms",
                against=jump * 1e3,
                at_most=AT_MOST,
                remarks={
                    "worst": worst,
                    "against": f"{MAX_JUMP} HMACs",
                    **{f"{name} (ms)": value * 1e3 for name, value in spent.items()},
                    "over budget (ms)": median(
                        await _refused(world, [forged(0) for _ in range(ROUNDS)], _spent)
                    )
                    * 1e3,
                },
            )
        )
        figures.add(
            Figure(
                "forged message of a group, without its answer",
                median(await _of_group(device, 15)) * 1e3,
                "ms",
                against=jump * 1e3,
                at_most=AT_MOST,
                remarks={"against": f"{MAX_JUMP} HMACs"},
            )
        )
        figures.add(
            Figure(
                "forged message of 1 MB of a group, without its answer",
                median(await _of_group(device, MEGABYTE)) * 1e3,
                "ms",
                against=median([_signature() for _ in range(ROUNDS)]) * 1e3,
                at_most=3,
                remarks={"against": "its signature alone"},
            )
        )
        figures.add(
            Figure(
                "forged message of 1 MB, without its answer",
                median(await _each(device, [forged(0, size=MEGABYTE) for _ in range(ROUNDS)]))
                * 1e3,
                "ms",
                against=median(
                    await _each(
                        device, [await peer.encrypt(bytes(MEGABYTE)) for _ in range(ROUNDS)]
                    )
                )
                * 1e3,
                at_most=1,
                remarks={"against": "a genuine one of that size"},
            )
        )
        figures.add(
            Figure(
                "message in order, same state",
                median(await _in_order(peer, device)) * 1e3,
                "ms",
                against=jump * 1e3,
            )
        )


def _jump() -> float:
    began = time.process_time()
    walk(bytes(32), MAX_JUMP)
    return time.process_time() - began


async def _refused(
    world: World, made: Sequence[Sent], budgets: Callable[[], Budgets] = Budgets
) -> list[float]:
    """Processor seconds for each, its retry receipt with it; its batch shares a transaction, which is left out.

    As the receive pipeline does it: taken, prepared, taken again.
    """
    times = []
    for number, (kind, data) in enumerate(made):
        enc = Node("enc", {"v": "2", "type": kind}, data)
        named = {"id": f"{kind}{len(data)}-{number}-{data[:8].hex()}", "from": CONTACT, "t": "900"}
        stanza = Node("message", named, (enc,))
        world.signal.budgets = budgets()
        world.incoming.forget_prepared()
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
                with world.session.savepoint():
                    outcome = await world.incoming.take(stanza)
                spent += time.process_time() - began
        assert outcome.counted == "message.asked_for"
        times.append(spent)
    return times


async def _each(device: Device, made: Sequence[Sent]) -> list[float]:
    """Processor seconds for each, without its stanza: tried in a transaction, prepared, decrypted."""
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
            with suppress(Undecryptable):
                await device.signal.decrypt(device.peer, kind, data)
            times.append(spent + time.process_time() - began)
    return times


def _spent() -> Budgets:
    """The budgets of a device that has nothing left."""
    budgets = Budgets(clock=lambda: 0.0)
    with budgets.allowance(CONTACT, 0) as allowance:
        allowance.pay(2 * BURST)
    return budgets


def _signature() -> float:
    """Processor seconds for the signature of a megabyte."""
    private, public = new_key_pair()
    message = bytes(MEGABYTE)
    signature = sign(private, message)
    began = time.process_time()
    assert verify(public, message, signature)
    return time.process_time() - began


async def _of_group(device: Device, size: int) -> list[float]:
    """Messages that a member signed, as far ahead as is followed, and that no key decrypts."""
    own = OwnSenderKey.make(new_key_pair())
    async with device.session.transaction():
        GroupKeys(device.session).take(GROUP, device.peer, handing(GROUP, own))
    signed = (
        b"\x33"
        + signal_messages.number_field(1, own.key_id)
        + signal_messages.number_field(2, own.iteration + MAX_JUMP)
        + signal_messages.blob_field(3, bytes(size))
    )
    message = signed + sign(own.private, signed)
    times = []
    for _ in range(ROUNDS):
        keys = GroupKeys(device.session)
        began = time.process_time()
        with suppress(Unprepared):
            keys.decrypt(GROUP, device.peer, message)
        keys.prepare(GROUP, device.peer, message)
        with pytest.raises(Undecryptable):
            keys.decrypt(GROUP, device.peer, message)
        times.append(time.process_time() - began)
    return times


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
    large = {name: spent.pop(name) for name in list(spent) if name.startswith("of 1 MB")}
    in_order = {name: spent.pop(name) for name in list(spent) if name.startswith("in order")}
    of_group = {name: spent.pop(name) for name in list(spent) if name.startswith("of a group")}
    for name, kinds, remarks in (
        ("forged message on whatsmeow", spent, {"library alone (ms)": library}),
        ("forged message of a group on whatsmeow", of_group, {}),
    ):
        worst = max(kinds, key=kinds.__getitem__)
        figures.add(
            Figure(
                f"{name}, without its answer",
                kinds[worst],
                "ms",
                at_most=2,
                remarks={
                    "worst": worst,
                    **{f"{kind} (ms)": value for kind, value in kinds.items()},
                    **remarks,
                },
            )
        )
    passes = {hash_: large.pop(f"of 1 MB, one pass of SHA {hash_}") for hash_ in (256, 512)}
    large_of_group = {name: large.pop(name) for name in list(large) if "of a group" in name}
    for name, kinds, hash_, at_most in (
        ("forged message of 1 MB on whatsmeow", large, 256, 3.3),
        ("forged message of 1 MB of a group on whatsmeow", large_of_group, 512, 2),
    ):
        worst = max(kinds, key=kinds.__getitem__)
        figures.add(
            Figure(
                f"{name}, without its answer",
                kinds[worst],
                "ms",
                against=passes[hash_],
                at_most=at_most,
                remarks={
                    "worst": worst,
                    "against": f"one pass of SHA-{hash_}",
                    **{f"{kind} (ms)": value for kind, value in kinds.items()},
                    "a genuine one of that size (ms)": in_order["in order, of 1 MB"],
                },
            )
        )
    figures.add(
        Figure(
            "message in order on whatsmeow, same state",
            in_order["in order, same state"],
            "ms",
            against=in_order["in order, of another"],
            remarks={"against": "a peer with one session"},
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
