from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from actors.state.connections import Connections
from actors.state.documents import API_KEYS, REVOKED_KEYS, StoreAway, Write
from actors.state.sqlite.store import SqliteDocuments
from gateway.http import api_keys
from gateway.http.api_keys import ApiKey, ApiKeyCache, InvalidKey, create, digest, ensure_first
from gateway.http.problems import Problem
from gateway.wrong_key_limiter import QUOTA
from tests.unlimited import UNLIMITED

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from actors.state.documents import Document, Documents, Page

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
    assert await ApiKeyCache(documents).find(GIVEN) is not None


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
    key = await ApiKeyCache(documents).find(token)
    assert key is not None
    assert [key.may(scope) for scope in api_keys.SCOPES] == [False, True, False, False]
    assert key.reaches("shop")
    assert not key.reaches("kiosk")
    _, token = await create(documents, name="b", scopes=["admin"], quota=UNLIMITED)
    key = await ApiKeyCache(documents).find(token)
    assert key is not None
    assert all(key.may(scope) for scope in api_keys.SCOPES)
    assert key.reaches("kiosk")


async def test_a_known_key_works_while_the_store_is_away(documents: Documents, file: Path) -> None:
    await ensure_first(documents, GIVEN)
    clock = Clock()
    ring = ApiKeyCache(documents, clock)
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
    ring = ApiKeyCache(documents, clock)
    with pytest.raises(StoreAway):
        await ring.find(GIVEN)
    hide(file, back=True)
    clock.now += api_keys.KEYS_RETRY_PAUSE
    assert await ring.find(GIVEN) is not None


async def test_a_revoked_key_stops_working(documents: Documents) -> None:
    identity, token = await create(documents, name="a", scopes=["read"], quota=UNLIMITED)
    clock = Clock()
    ring = ApiKeyCache(documents, clock)
    assert await ring.find(token) is not None
    await documents.delete(API_KEYS, identity)
    clock.now += api_keys.KEYS_FRESH_SECONDS + 0.1
    await ring.find(token)  # asks in the background
    await ring.find("tmo_unknown")  # waits for that
    assert await ring.find(token) is None


async def test_a_key_that_was_revoked_while_nobody_asked_is_refused_at_once(
    documents: Documents, file: Path
) -> None:
    identity, token = await create(documents, name="a", scopes=["admin"], quota=UNLIMITED)
    await ensure_first(documents, GIVEN)
    clock = Clock()
    ring = ApiKeyCache(documents, clock)
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
    assert await ApiKeyCache(documents).find(GIVEN) is None


async def test_a_setting_brings_no_revoked_key_back_that_the_store_made(
    documents: Documents,
) -> None:
    """And however many are made and revoked, none leaves a document."""
    first = await ensure_first(documents, None)
    assert first is not None
    made = [await create(documents, name="x", scopes=["read"], quota=UNLIMITED) for _ in range(120)]
    assert await ensure_first(documents, made[0][1]) is None
    assert (await documents.get(API_KEYS, made[0][0]) or {})["scopes"] == ["read"]
    for identity, _ in made:
        await api_keys.revoke(documents, identity)
    assert (await documents.query(REVOKED_KEYS)).items == []
    for _, token in made[:2]:
        assert await ensure_first(documents, token) is None
        assert await ApiKeyCache(documents).find(token) is None
    await api_keys.revoke(documents, digest(first)[:16])
    with pytest.raises(api_keys.RevokedKey):
        await ensure_first(documents, first)
    assert (await documents.query(API_KEYS)).items == []
    assert (await documents.query(REVOKED_KEYS)).items == []


async def test_a_setting_may_name_a_key_that_another_store_made(
    documents: Documents, tmp_path: Path
) -> None:
    other = SqliteDocuments(tmp_path / "other.db")
    token = await ensure_first(other, None)
    await other.close()
    assert token is not None
    await create(documents, name="a", scopes=["read"], quota=UNLIMITED)
    assert await ensure_first(documents, token) is None
    found = await ApiKeyCache(documents).find(token)
    assert found is not None
    assert found.is_admin_of_all


@pytest.mark.parametrize("revoked_by", ["the release before", "this one"])
async def test_a_key_of_the_release_before_stays_revoked(
    documents: Documents, revoked_by: str
) -> None:
    await create(documents, name="other", scopes=["admin"], quota=UNLIMITED)
    identity = digest(GIVEN)[:16]
    if revoked_by == "this one":
        before = {"hash": digest(GIVEN), "scopes": ["read"], "connections": None}
        await documents.set(API_KEYS, identity, {**before, "created_at": 1.0, "name": "x"})
        await api_keys.revoke(documents, identity)
    else:
        await documents.set(REVOKED_KEYS, identity, {"revoked_at": 1.0})
    assert await ensure_first(documents, GIVEN) is None
    assert await ApiKeyCache(documents).find(GIVEN) is None


async def test_a_revoked_first_key_leaves_room_for_another(documents: Documents) -> None:
    await ensure_first(documents, GIVEN)
    [given] = (await documents.query(API_KEYS)).items
    await api_keys.revoke(documents, given["id"])
    assert await ensure_first(documents, None) is not None
    assert await ensure_first(documents, GIVEN) is None


class Counted(SqliteDocuments):
    """A store that counts what is read of it."""

    def __init__(self, file: Path) -> None:
        super().__init__(file)
        self.whole, self.single = 0, list[str]()

    async def query(self, collection: str, **more: Any) -> Page:
        self.whole += 1
        return await super().query(collection, **more)

    async def get(self, collection: str, id_: str) -> Document | None:
        if collection == API_KEYS:
            self.single.append(id_)
        return await super().get(collection, id_)


@pytest_asyncio.fixture
async def counted(file: Path) -> AsyncIterator[Counted]:
    store = Counted(file)
    yield store
    await store.close()


async def test_an_unknown_key_reads_its_own_document_alone(counted: Counted) -> None:
    await ensure_first(counted, GIVEN)
    clock = Clock()
    ring = ApiKeyCache(counted, clock)
    assert await ring.find(GIVEN) is not None
    counted.whole, counted.single = 0, []
    for number in range(10):
        clock.now += api_keys.KEYS_RETRY_PAUSE
        assert await ring.find(f"tmo_{number}") is None
    reads, counted.single = counted.single, []
    assert (len(set(reads)), len(reads), counted.whole) == (10, 10, 0)
    identity, late = await create(counted, name="late", scopes=["read"], quota=UNLIMITED)
    found = await ring.by_id(identity)
    assert found is not None
    for _ in range(3):
        assert await ring.find(late) == found
    assert counted.single == [identity]
    assert await ring.by_id("0123456789abcdef") is None


async def test_a_key_that_ended_with_its_connection_is_not_found(documents: Documents) -> None:
    ring = ApiKeyCache(documents, Clock())
    assert await ring.find(GIVEN) is None
    await ensure_first(documents, GIVEN)
    identity = digest(GIVEN)[:16]
    await documents.batch([Write("merge", API_KEYS, identity, {"ended_at": 1.0})])
    assert await ring.find(GIVEN) is None
    another = {"hash": "f" * 64, "ended_at": None}
    await documents.batch([Write("merge", API_KEYS, identity, another)])
    assert await ring.find(GIVEN) is None, "the id is a part of the hash alone"


async def test_an_address_tries_so_many_unknown_keys(counted: Counted) -> None:
    """Known ones and other addresses are not held to it, and a key costs nothing once it is known."""
    await ensure_first(counted, GIVEN)
    clock = Clock()
    ring = ApiKeyCache(counted, clock)
    assert await ring.find(GIVEN, "192.0.2.1") is not None
    _, late = await create(counted, name="late", scopes=["read"], quota=UNLIMITED)
    assert await ring.find(late, "192.0.2.1") is not None
    for number in range(QUOTA - 1):
        assert await ring.find(f"tmo_{number}", "192.0.2.1") is None
    counted.single = []
    with pytest.raises(Problem) as refused:
        await ring.find("tmo_another", "192.0.2.1")
    assert (refused.value.kind.code, counted.single) == ("rate_limited", [])
    for token in (GIVEN, late):
        assert await ring.find(token, "192.0.2.1") is not None
    assert await ring.find("tmo_another", "192.0.2.2") is None
    clock.now += float(refused.value.headers["Retry-After"])
    assert await ring.find("tmo_another", "192.0.2.1") is None


async def test_a_key_that_is_revoked_while_it_is_read_does_not_come_back(
    counted: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    ring = ApiKeyCache(counted, Clock())
    await ring.find("tmo_unknown")
    identity, token = await create(counted, name="a", scopes=["read"], quota=UNLIMITED)
    real = counted.get

    async def revoked_meanwhile(collection: str, id_: str) -> Document | None:
        document = await real(collection, id_)
        if document is not None:
            monkeypatch.setattr(counted, "get", real)
            await api_keys.revoke(counted, identity)
            await ring.renew()
        return document

    monkeypatch.setattr(counted, "get", revoked_meanwhile)
    await ring.find(token)
    assert await ring.find(token) is None


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
    key = ApiKey("id", "hash", frozenset({"admin"}), connections, 0.0, "test")
    assert key.covers(named) is covered
