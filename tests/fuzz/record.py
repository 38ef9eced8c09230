"""Records `frames.json`: what really passes between the engine and the simulator, decrypted.

Run `pytest tests/fuzz/record.py` to make it again; no other run does. The keys in it belong to people whom the
simulator played and forgot.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from actors.connection.native.signal import device_sessions
from actors.connection.native.transport import certificates, noise
from actors.connection.protocol.receive import wrappers
from actors.connection.protocol.wire_format.codec import decode, encode
from actors.connection.protocol.wire_format.nodes import Node
from tests.fuzz.corpus import FRAMES
from tests.integration.engine import simulated
from tests.integration.engine.simulated import ACCOUNT, CONTACT, Simulator

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

MOST_BYTES = 6_000


async def _pass_frames(root: Path) -> None:
    simulator = Simulator.start(root / "simulator")
    try:
        async with simulated.device(simulator, root) as phone:
            await simulated.pair(simulator, phone)
            await simulator.contact(CONTACT, receipts="read")
            await simulator.say(CONTACT, ACCOUNT, "hello")
            await phone.send(1, "hello yourself")
            await simulated.until(phone.receipts)
            await simulator.say(CONTACT, ACCOUNT, "again")
            await simulator.fault("garble")
            await simulator.say(CONTACT, ACCOUNT, "not to be read the first time")
            await simulated.until(lambda: _count(phone, 3))
            await simulator.reinstall(CONTACT)
            await simulator.say(CONTACT, ACCOUNT, "from a new phone")
            await simulated.until(lambda: _count(phone, 4))
            await phone.send(2, "to the new phone")
            await simulator._call("POST", f"/contacts/{CONTACT}/devices", notify=True)
            await simulator._call("POST", f"/contacts/{CONTACT}/forget", account=ACCOUNT)
            await phone.send(3, "to be asked for again")
            await simulator._call("POST", f"/contacts/{CONTACT}/addressing", mode="lid")
            await simulator.say(CONTACT, ACCOUNT, "by another address")
            await simulated.until(lambda: _count(phone, 5))
            await simulator._call(
                "POST", f"/phones/{ACCOUNT}/say", to=CONTACT, text="from my phone"
            )
            await simulated.until(lambda: _count(phone, 6))
            await simulator._call("POST", f"/accounts/{ACCOUNT}/prekeys", keep=2)
        await simulator.say(CONTACT, ACCOUNT, "while away")
        async with simulated.device(simulator, root, epoch=2) as phone:
            await simulated.until(lambda: _count(phone, 7))
            await simulator.fault("stream_error", code=515)
            await simulated.until(lambda: phone.causes)
        await simulator.fault("reject_login", reason=503)
        async with simulated.device(simulator, root, epoch=3, reconnect=False) as phone:
            await simulated.until(lambda: phone.causes)
    finally:
        await simulator.stop()


async def _count(phone: simulated.Device, count: int) -> bool:
    return len(await phone.messages()) >= count


def _shortened(data: bytes) -> bytes:
    """The frame with at most five items in a list: an upload has 812 prekeys."""

    def cut(node: Node) -> Node:
        if isinstance(node.content, tuple):
            return Node(node.tag, node.attrs, tuple(cut(child) for child in node.content[:5]))
        return node

    return data if len(data) <= MOST_BYTES else encode(cut(decode(data)))


def _noting(finish: Any, handshakes: list[dict[str, Any]]) -> Any:
    """`finish` that keeps the first handshake of its kind."""

    def noted_finish(
        self: noise.Handshake, answer: bytes, payload: bytes, now: float
    ) -> tuple[bytes | None, noise.Transport]:
        last, transport = finish(self, answer, payload, now)
        known = self.server_key.hex() if isinstance(self, noise.Resumption) else None
        if all((one["server_key"] is None) != (known is None) for one in handshakes):
            handshake = {
                "static": self._static.private_bytes_raw().hex(),
                "ephemeral": self._ephemeral.private_bytes_raw().hex(),
                "root_key": self._root_key.hex(),
                "server_key": known,
                "answer": answer.hex(),
                "payload": payload.hex(),
                "now": now,
            }
            handshakes.append(handshake)
        return last, transport

    return noted_finish


def test_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found: dict[str, Any] = {
        "to_client": [],
        "to_server": [],
        "handshakes": [],
        "chains": [],
        "plaintexts": [],
        "signal": [],
    }
    seen: set[tuple[str, bytes]] = set()

    def note(kind: str, data: bytes) -> None:
        if (kind, data) not in seen:
            seen.add((kind, data))
            found[kind].append(data.hex())

    encrypt, decrypt = noise.Transport.encrypt, noise.Transport.decrypt
    read, opened = wrappers.read, device_sessions.Signal.decrypt
    verify = certificates.verify_chain

    def noted_verify(chain: bytes, static: bytes, root_key: bytes, now: float) -> None:
        note("chains", chain)
        verify(chain, static, root_key, now)

    def noted_encrypt(self: noise.Transport, plaintext: bytes) -> bytes:
        note("to_server", _shortened(plaintext))
        return encrypt(self, plaintext)

    def noted_decrypt(self: noise.Transport, frame: bytes) -> bytes:
        plaintext = decrypt(self, frame)
        note("to_client", _shortened(plaintext))
        return plaintext

    def noted_read(plaintext: bytes) -> wrappers.Received | None:
        note("plaintexts", plaintext)
        return read(plaintext)

    async def noted_opened(
        self: device_sessions.Signal, address: str, kind: Any, data: bytes
    ) -> bytes:
        note("signal", data)
        return await opened(self, address, kind, data)

    monkeypatch.setattr(noise.Transport, "encrypt", noted_encrypt)
    monkeypatch.setattr(noise.Transport, "decrypt", noted_decrypt)
    for kind in (noise.Handshake, noise.Resumption):
        monkeypatch.setattr(kind, "finish", _noting(kind.__dict__["finish"], found["handshakes"]))
    monkeypatch.setattr(noise, "verify_chain", noted_verify)
    monkeypatch.setattr(wrappers, "read", noted_read)
    monkeypatch.setattr(device_sessions.Signal, "decrypt", noted_opened)
    asyncio.run(_pass_frames(tmp_path))
    FRAMES.write_text(json.dumps(found, indent=0) + "\n")
