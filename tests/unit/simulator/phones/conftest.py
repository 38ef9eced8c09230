from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from simulator.control.api import application

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from simulator.server_state import ServerState


@pytest.fixture
async def http(world: ServerState) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(application(world, str))
    async with httpx.AsyncClient(transport=transport, base_url="http://simulator") as client:
        yield client
