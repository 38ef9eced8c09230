from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from actors.connection.session.session import Session
from tests.unit.actors.connection.native.resending_devices import World

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

from tests.unit.actors.connection.native.signal_devices import ALICE, BOB, Device


@pytest.fixture
async def alice(tmp_path: Path) -> AsyncIterator[Device]:
    one = Device(tmp_path / "alice.db", BOB)
    await one.register()
    yield one
    one.session.close()


@pytest.fixture
async def bob(tmp_path: Path) -> AsyncIterator[Device]:
    one = Device(tmp_path / "bob.db", ALICE)
    await one.register()
    yield one
    one.session.close()


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    with (
        closing(Session.open(tmp_path / "own.db", 1)) as session,
        closing(Session.open(tmp_path / "other.db", 1)) as other,
    ):
        made = World(session, other)
        await made.begin()
        yield made
