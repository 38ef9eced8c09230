from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.engine.simulated import Device, Simulator, device, pair
from tests.processes.valkey import Valkey

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path


@pytest.fixture
async def simulator(tmp_path: Path) -> AsyncIterator[Simulator]:
    started = Simulator.start(tmp_path / "simulator")
    try:
        yield started
    finally:
        await started.stop()


@pytest.fixture
async def phone(simulator: Simulator, tmp_path: Path) -> AsyncIterator[Device]:
    """A paired device."""
    async with device(simulator, tmp_path / "phone") as made:
        await pair(simulator, made)
        yield made


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Valkey]:
    """A Valkey for the queue of this test."""
    with Valkey(tmp_path / "valkey") as server:
        yield server
