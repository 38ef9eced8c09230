"""A cached collection keeps its documents while the store is away, and begins with those of the copy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from actors.config.sources import resolve_settings
from actors.state.caches.cached_collection import CachedCollection
from actors.state.caches.local_copies import LocalCopy
from actors.state.documents import API_KEYS
from actors.state.open_store import open_documents

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from actors.state.documents import Document, Documents


@pytest.fixture
async def documents(tmp_path: Path) -> AsyncIterator[Documents]:
    store = open_documents(resolve_settings(data=tmp_path))
    await store.set(API_KEYS, "a", {"name": "first"})
    yield store
    await store.close()


class Reader:
    """A collection with the ids that it handed over, call by call."""

    def __init__(self, documents: Documents, copy: LocalCopy) -> None:
        self.taken: list[list[str]] = []
        self.cached = CachedCollection(documents, API_KEYS, copy, self.take, clock=lambda: 7.0)

    def take(self, documents: Sequence[Document]) -> None:
        self.taken.append([each["id"] for each in documents])


async def test_documents_stay_while_the_store_is_away(documents: Documents, tmp_path: Path) -> None:
    reader = Reader(documents, LocalCopy(tmp_path / "copy.json"))
    assert (reader.cached.fresh, reader.cached.read_at) == (False, None)
    assert await reader.cached.refresh()
    assert (reader.cached.fresh, reader.cached.read_at) == (True, 7.0)
    await documents.close()
    with capture_logs() as logs:
        assert [await reader.cached.refresh() for _ in range(2)] == [False, False]
    assert not reader.cached.fresh
    assert reader.taken == [["a"]], "neither emptied nor begun anew with the copy"
    assert [each["action"] for each in logs] == ["store_away"], "once"


async def test_a_start_without_the_store_begins_with_the_copy(
    documents: Documents, tmp_path: Path
) -> None:
    copy = LocalCopy(tmp_path / "copy.json")
    assert await Reader(documents, copy).cached.refresh()
    await documents.close()
    cold = Reader(documents, copy)
    assert [await cold.cached.refresh() for _ in range(2)] == [False, False]
    assert cold.taken == [["a"]], "once"
    assert (cold.cached.fresh, cold.cached.read_at) == (False, None)


async def test_documents_that_cannot_be_taken_are_no_answer(
    documents: Documents, tmp_path: Path
) -> None:
    def take(_: Sequence[Any]) -> None:
        raise KeyError("name")

    cached = CachedCollection(documents, API_KEYS, LocalCopy(tmp_path / "copy.json"), take)
    with pytest.raises(KeyError):
        await cached.refresh()
    assert not cached.fresh
    assert await LocalCopy(tmp_path / "copy.json").read() is None
