from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.engine.simulated import Simulator
from tests.integration.engine.simulated import few_prekeys as few_prekeys  # noqa: PLC0414

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
