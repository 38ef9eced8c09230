"""The engine against a hostile server: whatever it says, `run` ends with a cause of its own."""

from __future__ import annotations

import asyncio
import gc
import resource
import tempfile
import zlib
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.config.sources import resolve_settings
from actors.connection.disconnects.causes import Cause, Kind
from actors.connection.engine import EngineEvents, SendError, SendRequest
from actors.connection.native.engine import NativeEngine
from actors.connection.native.signal.device_sessions import new_credentials
from actors.connection.native.transport import socket
from actors.connection.native.transport.frames import MAX_FRAME
from actors.connection.protocol.wire_format.codec import encode
from actors.connection.protocol.wire_format.nodes import Node
from actors.connection.session.session import Session
from actors.connection.trace.recorder import Recorder
from actors.messages.content import Text
from tests.fuzz.corpus import ACCOUNT, COMING, changed, frames, fuzzed, recorded
from tests.fuzz.hostile import Hostile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ANSWERS = [one for one in COMING if one.tag == "iq" and one.attrs.get("type") == "result"]
RUN_SECONDS = 60.0

# Log actions of errors that nobody handled: each of these would be a fault of the engine.
BROKEN = {
    "engine_failed",
    "login_failed",
    "prekeys_failed",
    "resend_failed",
    "phone_failed",
    "qr_failed",
    "code_failed",
}


async def served(server: Hostile, *, paired: bool, sends: int = 0) -> Cause:
    """One connection of an engine to that server: why it ended."""
    opened = asyncio.Event()

    async def on_open() -> None:
        opened.set()

    with tempfile.TemporaryDirectory() as directory:
        session = Session.open(Path(directory) / "session.db", 1)
        if paired:
            own = replace(
                new_credentials(),
                account=ACCOUNT,
                device="15550100001:1@s.whatsapp.net",
                device_identity=b"adv",
                account_signature_key=bytes(32),
            )
            async with session.transaction():
                session.credentials.save(own)
        async with server.listening() as url:
            settings = resolve_settings(
                data=Path(directory),
                whatsapp_url=url,
                whatsapp_root_key=server.root_key,
                whatsapp_ack_timeout=200,
            )
            recorder = Recorder(settings.data / "trace.jsonl", "native")
            engine = NativeEngine(
                settings, session, EngineEvents(on_open=on_open), recorder=recorder
            )

            async def send(number: int) -> None:
                await opened.wait()
                message = SendRequest(
                    f"3EB0{number:06X}", f"1555010000{2 + number}@s.whatsapp.net", Text("x")
                )
                with suppress(SendError):
                    await engine.send(message)

            sending = [asyncio.create_task(send(number)) for number in range(sends)]
            try:
                async with asyncio.timeout(RUN_SECONDS):
                    cause = await engine.run()
            finally:
                opened.set()
                results = await asyncio.gather(*sending, return_exceptions=True)
                await engine.close()
    assert [one for one in results if one is not None] == []
    assert cause.detail not in BROKEN, cause
    return cause


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    """A loop in which no error may stay unseen."""
    lost: list[dict[str, Any]] = []
    with asyncio.Runner() as made:
        made.get_loop().set_exception_handler(lambda _, context: lost.append(context))
        yield made
        gc.collect()
    assert lost == []


SEVERAL = st.lists(changed(COMING), min_size=1, max_size=12)


@fuzzed(40)
@given(said=SEVERAL, answers=st.lists(changed(ANSWERS), min_size=1, max_size=8))
def test_a_paired_device(runner: asyncio.Runner, said: list[Node], answers: list[Node]) -> None:
    server = Hostile(stanzas=said, answers=answers)
    cause = runner.run(served(server, paired=True, sends=2))
    assert cause.kind in Kind


@fuzzed(20)
@given(answers=st.lists(changed(ANSWERS), min_size=3, max_size=12))
def test_a_device_that_sends(runner: asyncio.Runner, answers: list[Node]) -> None:
    sound = [one for one in ANSWERS if one.child("count") is not None][:1]
    server = Hostile(answers=[*sound, *answers], asked=True)
    cause = runner.run(served(server, paired=True, sends=3))
    assert cause == Cause(Kind.NETWORK, "stream_error_503")
    assert server.answered > 0


OFFERS = [one for one in COMING if one.child("pair-device") or one.child("pair-success")]


@fuzzed(25)
@given(said=st.lists(changed(OFFERS + COMING[-3:]), min_size=1, max_size=6))
def test_a_device_that_is_not_paired(runner: asyncio.Runner, said: list[Node]) -> None:
    cause = runner.run(served(Hostile(first=(), stanzas=said), paired=False))
    assert cause.kind in Kind


@fuzzed(25)
@given(data=st.lists(frames(recorded("to_client")), min_size=1, max_size=5), paired=st.booleans())
def test_frames_that_decrypt(runner: asyncio.Runner, data: list[bytes], paired: bool) -> None:
    cause = runner.run(served(Hostile(frames=data), paired=paired))
    assert cause.kind in Kind


@fuzzed(10)
@given(data=frames(recorded("to_client")))
def test_bytes_before_the_handshake(runner: asyncio.Runner, data: bytes) -> None:
    with pytest.MonkeyPatch.context() as patch:
        # Some of them announce a frame that never comes.
        patch.setattr(socket, "LOGIN_TIMEOUT", 0.3)
        cause = runner.run(served(Hostile(raw=data), paired=True))
    assert cause.kind is Kind.NETWORK


LEAF = b"\xf8\x01\x03"
BOMBS: dict[str, Callable[[], bytes]] = {
    "inflated zeros": lambda: b"\x02" + zlib.compress(bytes(1 << 26)),
    "inflated nodes": lambda: (
        b"\x02"
        + zlib.compress(
            b"\xf8\x02\x03\xf9\x00\xff" + (b"\xf8\x02\x03\xf9\xff\xff" + LEAF * 0xFFFF) * 40
        )
    ),
    "nodes": lambda: (
        b"\0" + (b"\xf8\x02\x03\xf9\x00\x20" + (b"\xf8\x02\x03\xf9\xff\xff" + LEAF * 0xFFFF) * 32)
    ),
    "depth": lambda: b"\0" + b"\xf8\x02\x03\xf8\x01" * 1_000_000,
    "attributes": lambda: b"\0\xf9\xff\xff\x03" + b"\xfc\x02\xc3\xa9\0" * 0x7FFF,
    "entangled addresses": lambda: b"\0\xf8\x04\x03" + bytes.fromhex("f5f5f5f503f5f5f5") * 64,
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs(runner: asyncio.Runner, name: str) -> None:
    """Ended at once and for good, with no more memory than a few frames take."""
    frames = [BOMBS[name]()] * 8
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    cause = runner.run(served(Hostile(frames=frames), paired=True))
    assert cause.kind is Kind.NETWORK
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 200 * 1024, f"{grown} KiB"


def test_a_flood_of_large_messages(runner: asyncio.Runner) -> None:
    """Stanzas that are read and not yet handled are bounded in bytes, too."""
    large = Node(
        "message",
        {"from": "15550100002@s.whatsapp.net", "id": "3EB0AA", "type": "text"},
        (Node("enc", {"v": "2", "type": "msg"}, bytes(MAX_FRAME - 1000)),),
    )
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    data = encode(large)
    cause = runner.run(served(Hostile(frames=[data] * 60), paired=True))
    assert cause.kind is Kind.NETWORK
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 300 * 1024, f"{grown} KiB"
