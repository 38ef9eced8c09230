from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from actors.config.sources import resolve_settings
from actors.state.actor import StateManager
from actors.state.open_store import open_documents

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from actors.config.settings import Settings
    from actors.state.documents import Documents


@pytest.fixture
def settings(tmp_path: Path, no_log_file: None) -> Settings:
    settings = resolve_settings(data=tmp_path, heartbeat_interval=100)
    settings.save()
    return settings


@pytest.fixture
async def documents(settings: Settings) -> AsyncIterator[Documents]:
    store = open_documents(settings)
    yield store
    await store.close()


@pytest.fixture
async def manager(settings: Settings) -> AsyncIterator[StateManager]:
    manager = StateManager(str(settings.data), "state")
    yield manager
    await manager.stop()
