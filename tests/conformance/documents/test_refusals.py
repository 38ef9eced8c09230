"""Documents that a store never takes: refused as such, whole, and nothing else is held up."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from actors.config.sources import resolve_settings
from actors.state.documents import BATCH_BYTES, Write, WriteRefused
from actors.state.sqlite.store import SqliteDocuments

if TYPE_CHECKING:
    from pathlib import Path

    from actors.state.documents import Documents

THINGS = "things"


@pytest.fixture
async def refused(documents: Documents, tmp_path: Path) -> dict[str, Any]:
    """A document that this store does not take: above 1 MiB, or one that the file's own rule forbids."""
    if isinstance(documents, SqliteDocuments):
        await documents.set("others", "x", {})
        with (
            closing(sqlite3.connect(resolve_settings(data=tmp_path).state_file)) as database,
            database,
        ):
            database.execute(
                "CREATE TRIGGER refusal BEFORE INSERT ON documents WHEN instr(NEW.data, 'xxxxx')"
                " BEGIN SELECT RAISE(ABORT, 'forbidden'); END"
            )
    return {"text": "x" * 1_048_576}


async def test_each_write_of_it_is_refused_and_leaves_nothing(
    documents: Documents, refused: dict[str, Any]
) -> None:
    beside = Write("set", THINGS, "beside", {"n": 1})
    for call in (
        documents.set(THINGS, "x", refused),
        documents.set(THINGS, "x", refused, merge=True),
        documents.create(THINGS, "x", refused),
        documents.change(THINGS, "x", lambda _: refused),
        documents.batch([beside, Write("set", THINGS, "x", refused)]),
        documents.batch([beside, Write("change", THINGS, "x", change=lambda _: refused)]),
        documents.batch([beside, Write("advance", THINGS, "x", refused, by=("n",))]),
    ):
        with pytest.raises(WriteRefused):
            await call
    assert (await documents.query(THINGS)).items == []
    await documents.batch([beside])
    assert await documents.get(THINGS, "beside") == {"id": "beside", "n": 1}


async def test_a_refusal_quotes_nothing(documents: Documents, refused: dict[str, Any]) -> None:
    with pytest.raises(WriteRefused) as error:
        await documents.set(THINGS, "x", refused)
    assert len(str(error.value)) < 100
    assert "xxxx" not in str(error.value)
    assert error.value.__cause__ is None


async def test_a_batch_within_the_bound_of_bytes_is_taken_also_with_events(
    documents: Documents,
) -> None:
    half = BATCH_BYTES // 8
    await documents.batch([Write("set", THINGS, str(n), {"text": "y" * half}) for n in range(8)])
    assert len((await documents.query(THINGS)).items) == 8
