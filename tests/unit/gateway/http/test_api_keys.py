from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from actors.state.connections import Connections
from actors.state.documents import API_KEYS, StoreAway
from actors.state.sqlite.store import SqliteDocuments
from gateway.http import api_keys
from gateway.http.api_keys import InvalidKey, Key, KeyRing, create, digest, ensure_first
from tests.unlimited import UNLIMITED

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from actors.state.documents import Documents

GIVEN = "tmo_" + "k" * 43


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@pytest_asyncio.fixture
async def documents(file: Path) -> AsyncIterator[Documents]:
    store = SqliteDocuments(file)
    yield store
    await store.close()


def hide(file: Path, *, back: bool = False) -> None:
    """Make the store fail for everybody, or heal it."""
    names = ("hidden", "documents") if back else ("documents", "hidden")
    database = sqlite3.connect(file)
    with database:
        database.execute(f"ALTER TABLE {names[0]} RENAME TO {names[1]}")
    database.close()


async def test_the_first_key_is_made_once_and_stored_hashed(documents: Documents) -> None:
    token = await ensure_first(documents, None)
    assert token is not None
    assert token.startswith("tmo_")
    assert len(token) >= 4 + 43  # 256 bits
    assert await ensure_first(documents, None) is None
    [stored] = (await documents.query(API_KEYS)).items
    assert stored["hash"] == digest(token)
    assert token not in str(stored)
    assert stored["scopes"] == ["admin"]


async def test_a_given_key_is_added_once_also_beside_others(documents: Documents) -> None:
    await ensure_first(documents, None)
    assert await ensure_first(documents, GIVEN) is None
    assert await ensure_first(documents, GIVEN) is None
    assert len((await documents.query(API_KEYS)).items) == 2
    assert await KeyRing(documents).find(GIVEN) is not None


async def test_with_a_given_key_none_is_made(documents: Documents) -> None:
    assert await ensure_first(documents, GIVEN) is None
    assert len((await documents.query(API_KEYS)).items) == 1


@pytest.mark.parametrize("given", ["", "short", "has a space in it", "a" * 513, "tmo_ä" + "k" * 43])
async def test_a_given_key_that_no_header_carries(documents: Documents, given: str) -> None:
    with pytest.raises(InvalidKey):
        await ensure_first(documents, given)


async def test_scopes_and_connections(documents: Documents) -> None:
    await Connections(documents).create("shop", id="shop")
    _, token = await create(
        documents, name="a", scopes=["send"], connections=["shop"], quota=UNLIMITED
    )
    key = await KeyRing(documents).find(token)
    assert key is not None
    assert [key.may(scope) for scope in api_keys.SCOPES] == [False, True, False, False]
    assert key.reaches("shop")
    assert not key.reaches("kiosk")
    _, token = await create(documents, name="b", scopes=["admin"], quota=UNLIMITED)
    key = await KeyRing(documents).find(token)
    assert key is not None
    assert all(key.may(scope) for scope in api_keys.SCOPES)
    assert key.reaches("kiosk")


async def test_a_known_key_works_while_the_store_is_away(documents: Documents, file: Path) -> None:
    await ensure_first(documents, GIVEN)
    clock = Clock()
    ring = KeyRing(documents, clock)
    assert await ring.find(GIVEN) is not None
    hide(file)
    clock.now += 100
    assert await ring.find(GIVEN) is not None
    assert await ring.find("tmo_unknown") is None
    clock.now += 100
    hide(file, back=True)
    assert await ring.find(GIVEN) is not None


async def test_before_anything_was_read_nobody_can_say(documents: Documents, file: Path) -> None:
    await ensure_first(documents, GIVEN)
    hide(file)
    clock = Clock()
    ring = KeyRing(documents, clock)
    with pytest.raises(StoreAway):
        await ring.find(GIVEN)
    hide(file, back=True)
    clock.now += api_keys.PATIENCE
    assert await ring.find(GIVEN) is not None


async def test_a_revoked_key_stops_working(documents: Documents) -> None:
    identity, token = await create(documents, name="a", scopes=["read"], quota=UNLIMITED)
    clock = Clock()
    ring = KeyRing(documents, clock)
    assert await ring.find(token) is not None
    await documents.delete(API_KEYS, identity)
    clock.now += api_keys.FRESH + 0.1
    await ring.find(token)  # asks in the background
    await ring.find("tmo_unknown")  # waits for that
    assert await ring.find(token) is None


async def test_a_key_that_was_revoked_while_nobody_asked_is_refused_at_once(
    documents: Documents, file: Path
) -> None:
    identity, token = await create(documents, name="a", scopes=["admin"], quota=UNLIMITED)
    await ensure_first(documents, GIVEN)
    clock = Clock()
    ring = KeyRing(documents, clock)
    assert await ring.find(token) is not None
    await documents.delete(API_KEYS, identity)
    clock.now += 3600
    assert await ring.find(token) is None
    assert await ring.find(GIVEN) is not None


async def test_a_setting_brings_no_revoked_key_back(documents: Documents) -> None:
    await ensure_first(documents, GIVEN)
    [given] = (await documents.query(API_KEYS)).items
    await api_keys.revoke(documents, given["id"])
    await create(documents, name="a", scopes=["read"], quota=UNLIMITED)
    with pytest.raises(api_keys.RevokedKey):
        await ensure_first(documents, GIVEN)
    await create(documents, name="b", scopes=["admin"], quota=UNLIMITED)
    assert await ensure_first(documents, GIVEN) is None
    assert await KeyRing(documents).find(GIVEN) is None


async def test_a_revoked_first_key_leaves_room_for_another(documents: Documents) -> None:
    await ensure_first(documents, GIVEN)
    [given] = (await documents.query(API_KEYS)).items
    await api_keys.revoke(documents, given["id"])
    assert await ensure_first(documents, None) is not None
    assert await ensure_first(documents, GIVEN) is None


async def test_unknown_keys_do_not_hammer_the_store(documents: Documents) -> None:
    await ensure_first(documents, GIVEN)
    clock = Clock()
    ring = KeyRing(documents, clock)
    assert await ring.find("tmo_a") is None
    await create(documents, name="late", scopes=["read"], quota=UNLIMITED)
    before = ring._tried_at
    for number in range(50):
        assert await ring.find(f"tmo_{number}") is None
    assert ring._tried_at == before
    clock.now += api_keys.PATIENCE
    assert await ring.find("tmo_b") is None
    assert ring._tried_at == clock.now


@pytest.mark.parametrize(
    ("own", "named", "covered"),
    [
        (None, None, True),
        (None, ["shop"], True),
        (["shop", "cafe"], ["shop"], True),
        (["shop", "cafe"], ["cafe", "shop"], True),
        (["shop"], ["shop", "cafe"], False),
        (["shop"], None, False),  # every connection, also those to come
    ],
)
def test_a_key_covers_what_it_is_for(
    own: list[str] | None, named: list[str] | None, covered: bool
) -> None:
    connections = None if own is None else frozenset(own)
    key = Key("id", "hash", frozenset({"admin"}), connections, 0.0, "test")
    assert key.covers(named) is covered
