"""A network that carries nothing any more, and says nothing of it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

import pytest

from actors.connection.disconnects.causes import Kind
from actors.connection.engine import SendError
from actors.connection.native.transport.keepalive import Keepalive
from actors.connection.protocol.receive import stanza_receiver
from tests.integration.engine.simulated import (
    ACCOUNT,
    CONTACT,
    Device,
    Simulator,
    device,
    pair,
    until,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

PACE = Keepalive(least=0.2, most=0.3, deadline=1.5)
ACK_TIMEOUT = 60_000
"""Milliseconds; far longer than the keepalive takes."""


class Relay:
    """The way to the simulator."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.process = subprocess.Popen(
            [sys.executable, Path(__file__).with_name("relay.py"), str(parts.port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        port = int(self.process.stdout.readline())
        self.url = urlunsplit(parts._replace(netloc=f"127.0.0.1:{port}"))

    def swallow(self) -> None:
        """From now on nothing comes through, and no connection is closed."""
        os.kill(self.process.pid, signal.SIGSTOP)

    def end(self) -> None:
        """Closes the connection at both ends: the simulator waits for no answer."""
        self.process.kill()
        self.process.communicate()


@contextmanager
def relay(simulator: Simulator) -> Iterator[Relay]:
    started = Relay(simulator.ws_url)
    try:
        yield started
    finally:
        started.end()


@asynccontextmanager
async def silenced(simulator: Simulator, tmp_path: Path) -> AsyncIterator[tuple[Device, Relay]]:
    """An open device behind a relay that has carried a message, and carries nothing more."""
    with relay(simulator) as way:
        async with device(
            simulator,
            tmp_path,
            reconnect=False,
            keepalive=PACE,
            whatsapp_url=way.url,
            whatsapp_ack_timeout=ACK_TIMEOUT,
        ) as phone:
            await pair(simulator, phone)
            await phone.send(1, "through")
            phone.causes.clear()
            way.swallow()
            yield phone, way


async def ended(phone: Device) -> str:
    return str(await until(lambda: phone.causes and phone.causes[-1], 15))


def test_half_an_open_connection_is_noticed_within_30_seconds() -> None:
    """G8: `most` until the next ping, and its deadline."""
    assert Keepalive().most + Keepalive().deadline <= 28


async def test_silence_on_an_idle_connection(simulator: Simulator, tmp_path: Path) -> None:
    pace = replace(PACE, deadline=5.0)
    with relay(simulator) as way:
        async with device(
            simulator, tmp_path, reconnect=False, keepalive=pace, whatsapp_url=way.url
        ) as phone:
            await pair(simulator, phone)
            phone.causes.clear()
            await asyncio.sleep(6.0)  # a deadline, if no answer counted
            assert phone.causes == []
            way.swallow()
            assert await ended(phone) == "keepalive"


async def test_silence_while_a_send_awaits_its_ack(simulator: Simulator, tmp_path: Path) -> None:
    async with silenced(simulator, tmp_path) as (phone, way):
        with pytest.raises(SendError) as failed:
            await phone.send(2, "swallowed")
        assert (failed.value.code, failed.value.uncertain) == ("connection_lost", True)
        assert await ended(phone) == "keepalive"
        way.end()


async def test_silence_while_the_writer_waits_for_room(
    simulator: Simulator, tmp_path: Path
) -> None:
    """The buffers of both ends are full: no ping can be written, and nobody waits for ever."""
    async with silenced(simulator, tmp_path) as (phone, way):
        large = "x" * 400_000
        sends = [asyncio.create_task(phone.send(n, large)) for n in range(2, 42)]
        wire = phone.engine._socket
        assert wire is not None
        await until(wire._websocket.transport.get_write_buffer_size)
        assert await ended(phone) == "keepalive"
        way.end()
        errors = await asyncio.gather(*sends, return_exceptions=True)
        assert all(isinstance(error, SendError) for error in errors)


async def test_a_server_that_freezes(simulator: Simulator, tmp_path: Path) -> None:
    async with device(simulator, tmp_path, reconnect=False, keepalive=PACE) as phone:
        await pair(simulator, phone)
        phone.causes.clear()
        fault = await simulator.fault("freeze")
        assert await ended(phone) == "keepalive"
        assert await simulator.struck(fault) >= 1


async def test_what_is_read_late_was_not_late(
    simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slow disk or owner here is no silence there: the answer waits, unread, behind messages."""
    monkeypatch.setattr(stanza_receiver, "MAX_WAITING_STANZAS", 1)
    async with device(simulator, tmp_path, reconnect=False, keepalive=PACE) as phone:
        await pair(simulator, phone)
        phone.causes.clear()

        async def slow() -> None:
            await asyncio.sleep(3)

        monkeypatch.setattr(phone.engine._linked._receiver, "_on_inbox", slow)  # type: ignore[union-attr]
        for n in range(10):
            await simulator.say(CONTACT, ACCOUNT, f"{n}")
        await asyncio.sleep(2.5)
        monkeypatch.undo()
        await until(lambda: _count(phone, 10))
        assert [cause for cause in phone.causes if cause.kind is Kind.KEEPALIVE] == []


async def _count(phone: Device, count: int) -> bool:
    return len(await phone.messages()) == count
