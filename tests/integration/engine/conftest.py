from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.engine.simulated import Simulator

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
async def simulator(tmp_path: Path) -> AsyncIterator[Simulator]:
    started = Simulator.start(tmp_path / "simulator")
    try:
        yield started
    finally:
        await started.stop()
