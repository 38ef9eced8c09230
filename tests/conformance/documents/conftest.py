"""Every store behind the documents port; a further one is a further parameter here."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest

from actors.config.sources import resolve_settings
from actors.state.open_store import open_documents
from tests.processes.firestore import Firestore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from actors.config.settings import Settings
    from actors.state.documents import Documents


def settings(store: str, directory: Path, firestore: Firestore) -> Settings:
    """An instance's, with the store behind the port; its own database of the one server."""
    if store == "sqlite":
        return resolve_settings(data=directory)
    return resolve_settings(
        data=directory,
        firestore_emulator_host=firestore.host,
        firestore_database=f"d{uuid.uuid4().hex}",
    )


@pytest.fixture(scope="session")
def firestore(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Firestore]:
    # Without indexes, for this suite asks what the service does not.
    with Firestore(tmp_path_factory.mktemp("firestore"), indexes=None) as started:
        yield started


@pytest.fixture(params=["sqlite", "firestore"])
def opened(
    request: pytest.FixtureRequest, tmp_path: Path, firestore: Firestore
) -> Callable[[], Documents]:
    """Opens the same store again, as another process of the instance would."""
    chosen = settings(request.param, tmp_path, firestore)
    return lambda: open_documents(chosen)


@pytest.fixture
async def documents(opened: Callable[[], Documents]) -> AsyncIterator[Documents]:
    store = opened()
    yield store
    await store.close()
