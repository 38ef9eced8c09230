"""A world that is served on loopback inside the test's own event loop."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import httpx
import pytest
from websockets.asyncio.server import serve

from simulator.control.api import application
from simulator.server_state import ServerState
from simulator.wire import connection
from tests.unit.simulator.device import Device

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
    from pathlib import Path


NUMBER = "15550100001"


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ServerState]:
    # For clients that handle a stanza late: the devices of these tests read as it comes.
    monkeypatch.setattr(connection, "FAREWELL_SECONDS", 0.05)
    world = ServerState(tmp_path / "world")
    yield world
    world.close()


@pytest.fixture
async def new_device(world: ServerState, tmp_path: Path) -> AsyncIterator[Callable[[], Device]]:
    """Makes unpaired devices that talk to the served world."""
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(
            serve(
                world.serve,
                "127.0.0.1",
                0,
                process_request=world.web_page.answer,
                compression=None,
                ping_interval=None,
                close_timeout=0.2,
            )
        )
        port = next(iter(server.sockets)).getsockname()[1]
        devices: list[Device] = []

        def make() -> Device:
            devices.append(Device(world, f"ws://127.0.0.1:{port}/ws/chat", tmp_path))
            return devices[-1]

        yield make
        for device in devices:
            await device.close()
            device.store.close()


@pytest.fixture
async def paired(new_device: Callable[[], Device]) -> Callable[[str], Awaitable[Device]]:
    """Pairs a device with a number and leaves it logged in."""

    async def pair(number: str) -> Device:
        device = new_device()
        await device.pair(number)
        return device

    return pair


@pytest.fixture
async def device(paired: Callable[[str], Awaitable[Device]]) -> Device:
    """A device of the first account, paired and logged in."""
    return await paired(NUMBER)


@pytest.fixture
async def http(world: ServerState) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the control API in this process."""
    transport = httpx.ASGITransport(application(world, str))
    async with httpx.AsyncClient(transport=transport, base_url="http://simulator") as client:
        yield client
