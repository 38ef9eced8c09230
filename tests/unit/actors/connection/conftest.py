from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from actors.connection.session.session import Session
from tests.unit.actors.connection.sessions import Clock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "account" / "session.db"


@pytest.fixture
def session(path: Path, clock: Clock) -> Iterator[Session]:
    one = Session.open(path, 3, clock=clock)
    yield one
    one.close()
