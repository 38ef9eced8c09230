"""A Redis for the jobs of one file, and an instance in which they run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from actors.state.connections import Connections
from tests.processes.valkey import Valkey

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from redis.asyncio import Redis

    from actors.state.documents import Documents

from tests.integration.jobs.place import ID, SHOP, Place


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    with Valkey(tmp_path_factory.mktemp("valkey")) as server:
        yield server


@pytest.fixture
def place(tmp_path: Path, valkey: Valkey, capfd: pytest.CaptureFixture[str]) -> Place:
    made = Place(tmp_path, valkey, capfd)

    async def create(_: Redis, documents: Documents) -> None:
        await Connections(documents).create(SHOP, id=ID)

    made.do(create)
    return made
