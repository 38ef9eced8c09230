"""The store on Google's own service; it needs a project and credentials, which no test machine has."""

from __future__ import annotations

import os
import uuid
from typing import TYPE_CHECKING

import pytest

from actors.config.sources import resolve_settings
from actors.state.documents import Order, StoreAway, Where, Write
from actors.state.fencing import Superseded
from actors.state.open_store import open_documents

if TYPE_CHECKING:
    from pathlib import Path

    from actors.state.documents import Document

NEEDED = ("GOOGLE_CLOUD_PROJECT", "GOOGLE_APPLICATION_CREDENTIALS")
MISSING = [name for name in NEEDED if not os.environ.get(name)]


@pytest.mark.skipif(
    bool(MISSING), reason=f"Google's Firestore was not reached: {', '.join(MISSING)} not set"
)
async def test_the_store_on_googles_firestore(tmp_path: Path) -> None:
    """Everything that needs no composite index, in a collection of its own that it empties."""
    project = os.environ["GOOGLE_CLOUD_PROJECT"]
    database = os.environ.get("FIRESTORE_DATABASE", "(default)")
    documents = open_documents(
        resolve_settings(data=tmp_path, google_cloud_project=project, firestore_database=database)
    )
    things = f"teimoso_test_{uuid.uuid4().hex}"

    def fence(document: Document | None) -> Document | None:
        if document is not None and document["fence"] > 1:
            raise Superseded
        return None

    try:
        assert await documents.create(things, "a", {"at": 1, "m": {"x": [1, [2]]}}) is True
        assert await documents.create(things, "a", {}) is False
        await documents.set(things, "a", {"m": {"y": None}}, merge=True)
        assert await documents.get(things, "a") == {
            "id": "a",
            "at": 1,
            "m": {"x": [1, [2]], "y": None},
        }
        await documents.change(things, "fence", lambda _: {"fence": 2})
        with pytest.raises(Superseded):
            await documents.batch(
                [
                    Write("change", things, "fence", change=fence),
                    Write("set", things, "stale", {"at": 2}),
                ]
            )
        assert await documents.get(things, "stale") is None
        await documents.batch([Write("create", things, f"b{n}", {"at": n}) for n in range(2, 9)])
        newest = [Order("at", descending=True)]
        page = await documents.query(things, order=newest, limit=3)
        assert [item["at"] for item in page.items] == [8, 7, 6]
        page = await documents.query(things, order=newest, limit=3, after=page.next)
        assert [item["at"] for item in page.items] == [5, 4, 3]
        page = await documents.query(things, where=[Where("at", "<", 3)])
        assert [item["id"] for item in page.items] == ["a", "b2"]
        with pytest.raises(StoreAway, match="index"):
            await documents.query(things, where=[Where("m.y", "==", None)], order=newest)
    finally:
        there = (await documents.query(things)).items
        await documents.batch([Write("delete", things, item["id"]) for item in there])
        await documents.close()
