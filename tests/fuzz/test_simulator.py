"""The simulator under hostile clients: each loses its own connection, and nobody else's."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import tracemalloc
import zlib
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import example, given
from hypothesis import strategies as st
from structlog.testing import capture_logs
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

from actors.connection.protocol.wire_format.nodes import Node
from simulator.server_state import ServerState
from simulator.wire import protocol_library
from simulator.wire.certificates import issue, new_private_key
from simulator.wire.connection import Connection
from simulator.wire.frames import FrameError
from simulator.wire.noise import Handshake, HandshakeError
from tests.fuzz.corpus import changed, damaged, encode, frames, fuzzed, recorded, stanzas
from tests.integration.engine import simulated
from tests.integration.engine.simulated import ACCOUNT, CONTACT, Simulator
from tests.unit.simulator.device import Device
from tests.unit.simulator.noise_client import PROLOGUE, NoiseClient

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

OTHER = "15550100003"
GOING = stanzas("to_server")
CONTACT_JID = f"{CONTACT}@s.whatsapp.net"
FAN_OUT = next(one for one in GOING if one.tag == "message" and one.child("participants"))
IDENTITY = issue(new_private_key(), new_private_key())


@fuzzed(300)
@given(frames(recorded("to_server") + recorded("to_client")))
def test_a_frame_is_a_stanza_or_refused(data: bytes) -> None:
    with contextlib.suppress(FrameError):
        assert Connection._decoded(data).tag is not None


@fuzzed(150)
@given(st.booleans(), st.data())
def test_a_client_hello_is_answered_or_refused(resuming: bool, data: Any) -> None:
    client = NoiseClient(X25519PrivateKey.generate())
    hello = client.resume(IDENTITY.static_public, b"payload") if resuming else client.hello()
    handshake = Handshake(IDENTITY, PROLOGUE)
    with contextlib.suppress(HandshakeError):
        reply, opened = handshake.respond(data.draw(damaged([hello])))
        assert opened in (None, b"payload")
        if opened is None and not resuming:
            with contextlib.suppress(Exception):
                finish, _, _ = client.finish(reply, b"payload")
                assert handshake.finish(data.draw(damaged([finish]))) == b"payload"


class HostileDevices:
    """A world on loopback with a hostile device and another one."""

    def __init__(self, directory: Path, runner: asyncio.Runner) -> None:
        self.runner = runner
        self.world = ServerState(directory / "world")
        self.directory = directory
        self.stack = contextlib.AsyncExitStack()
        runner.run(self._open())

    async def _open(self) -> None:
        server = await self.stack.enter_async_context(
            serve(self.world.serve, "127.0.0.1", 0, compression=None, ping_interval=None)
        )
        url = f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}/ws/chat"
        self.hostile = Device(self.world, url, self.directory)
        self.sound = Device(self.world, url, self.directory)
        await self.hostile.pair(ACCOUNT)
        await self.sound.pair(OTHER)

    async def attack(self, plaintexts: list[bytes]) -> None:
        """Send them on one connection; then the other device is still answered."""
        with contextlib.suppress(ConnectionClosed):
            assert (await self.hostile.login()).tag in ("success", "ib")
            for plaintext in plaintexts:
                await self.hostile.send_bytes(plaintext)
            await self.hostile.query("w:p", "get", protocol_library.Node("ping"))
        await self.hostile.close()
        assert (await self.sound.query("w:p", "get", protocol_library.Node("ping"))).tag == "iq"

    async def _close(self) -> None:
        for device in (self.hostile, self.sound):
            await device.close()
            device.store.close()
        await self.stack.aclose()
        self.world.close()

    def close(self) -> None:
        self.runner.run(self._close())


@pytest.fixture(scope="module")
def served() -> Iterator[HostileDevices]:
    with tempfile.TemporaryDirectory() as directory, asyncio.Runner() as runner:
        made = HostileDevices(Path(directory), runner)
        yield made
        made.close()


@example([Node("message", {"id": "9" * 400, "to": CONTACT_JID, "type": "text"}, FAN_OUT.content)])
@example([Node("iq", {"id": "a@b@c", "type": "get", "xmlns": "w:p"}, (Node("ping"),))])
@example([Node("receipt", {"id": "3EB0AA", "to": "15550100002:99999999999999999999@lid"})])
@fuzzed(40)
@given(said=st.lists(changed(GOING), min_size=1, max_size=10))
def test_stanzas_of_a_client_break_no_handler(served: HostileDevices, said: list[Node]) -> None:
    # A request that would log the device out for good is sound.
    kept = [one for one in said if one.child("remove-companion-device") is None]
    with capture_logs() as logs:
        served.runner.run(served.attack([encode(one) for one in kept]))
    failed = [entry for entry in logs if entry["log_level"] == "error"]
    assert failed == []


@fuzzed(30)
@given(data=st.lists(frames(recorded("to_server")), min_size=1, max_size=4))
def test_frames_of_a_client_end_its_own_connection(
    served: HostileDevices, data: list[bytes]
) -> None:
    with capture_logs() as logs:
        served.runner.run(served.attack(data))
    assert [entry for entry in logs if entry["log_level"] == "error"] == []


LEAF = b"\xf8\x01\x03"
MANY = b"\xf8\x02\x03\xf9\x00\x20" + (b"\xf8\x02\x03\xf9\xff\xff" + LEAF * 0xFFFF) * 32


def users(count: int) -> Node:
    """A query about that many people whom nobody ever named."""
    listed = tuple(
        Node("user", {"jid": f"1555{number:08}@s.whatsapp.net"}) for number in range(count)
    )
    query = Node("query", {}, (Node("devices", {"version": "2"}),))
    usync = Node("usync", {"mode": "query"}, (query, Node("list", {}, listed)))
    return Node(
        "iq", {"to": "@s.whatsapp.net", "type": "get", "xmlns": "usync", "id": "1"}, (usync,)
    )


BOMBS: dict[str, Callable[[], bytes]] = {
    "inflated zeros": lambda: b"\x02" + zlib.compress(bytes(1 << 26)),
    "inflated nodes": lambda: b"\x02" + zlib.compress(MANY),
    "nodes": lambda: b"\0" + MANY[: 4 << 20],
    "depth": lambda: b"\0" + b"\xf8\x02\x03\xf8\x01" * 500_000,
    "people": lambda: encode(users(15_000)),
    "a frame that is too large": lambda: bytes(5 << 20),
}


@pytest.mark.parametrize("name", ["inflated zeros", "inflated nodes", "nodes", "depth"])
def test_a_bomb_is_refused_before_it_is_unpacked(name: str) -> None:
    bomb = BOMBS[name]()
    tracemalloc.start()
    try:
        with pytest.raises(FrameError):
            Connection._decoded(bomb)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 32 << 20


async def test_a_hostile_client_of_the_process(tmp_path: Path) -> None:
    """Others get their messages meanwhile, and memory stays bounded."""
    simulator = Simulator.start(tmp_path / "simulator")
    elsewhere = cast("ServerState", None)
    try:
        async with (
            Device(elsewhere, simulator.ws_url, tmp_path) as hostile,
            simulated.device(simulator, tmp_path) as sound,
        ):
            qr = await hostile.register()
            await simulator._call("POST", "/phones", number=ACCOUNT)
            await asyncio.gather(
                simulator._call("POST", f"/phones/{ACCOUNT}/scan", qr=qr), hostile.sign()
            )
            await hostile.next("stream:error")  # it shall log in
            await simulated.pair(simulator, sound, OTHER)
            before = peak(simulator.process.pid)
            for number, bomb in enumerate(BOMBS.values(), 1):
                await hostile.close()
                await hostile.login()
                plaintext = await asyncio.to_thread(bomb)
                with contextlib.suppress(ConnectionClosed):
                    for _ in range(4):
                        await hostile.send_bytes(plaintext)
                await simulator.say(CONTACT, OTHER, "still here")
                await simulated.until(partial(_count, sound, number))
            grown = peak(simulator.process.pid) - before
            assert grown < 150 << 20, f"{grown >> 20} MiB"
            assert sound.causes[1:] == []
    finally:
        await simulator.stop()


def peak(pid: int) -> int:
    """The most memory that the process ever had, in bytes."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (kilobytes,) = (line.split()[1] for line in lines if line.startswith("VmHWM:"))
    return int(kilobytes) << 10


async def _count(device: simulated.Device, count: int) -> bool:
    return len(await device.messages()) >= count
