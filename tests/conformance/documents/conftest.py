"""Every store behind the documents port; a further one is a further parameter here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from actors.settings import Settings
from actors.state.documents import open_documents

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from actors.state.documents import Documents


def sqlite(directory: Path) -> Documents:
    return open_documents(Settings.resolve(data=directory))


STORES: dict[str, Callable[[Path], Documents]] = {"sqlite": sqlite}


@pytest.fixture(params=STORES)
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Documents]:
    """Opens the same store again, as another process of the instance would."""
    return lambda: STORES[request.param](tmp_path)


@pytest.fixture
async def documents(opened: Callable[[], Documents]) -> AsyncIterator[Documents]:
    store = opened()
    yield store
    await store.close()
