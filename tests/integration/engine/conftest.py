from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from actors.connection.whatsmeow.program import executable
from tests.integration.engine.simulated import Device, Simulator, device, pair
from tests.integration.engine.simulated import few_prekeys as few_prekeys  # noqa: PLC0414
from tests.processes.valkey import Valkey

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path


MISSING = pytest.mark.skipif(
    executable.find() is None,
    reason=f"{executable.EXECUTABLE_NAME} is not built: `make whatsmeow` does it",
)


@pytest.fixture(params=["native", pytest.param("whatsmeow", marks=MISSING)])
def engine(request: pytest.FixtureRequest) -> str:
    """Each engine, for a test of what both promise."""
    return str(request.param)


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
