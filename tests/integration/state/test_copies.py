"""Copies in the data directory, which gateway and root read while the store was never there."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from actors.config.sources import resolve_settings
from actors.runtime.connection_options import ConnectionOptions
from actors.state.caches.local_copies import LocalCopy
from actors.state.documents import StoreAway
from actors.state.open_store import open_documents
from gateway.connection_cache import ConnectionCache
from gateway.http.api_keys import ApiKeyCache, admits, digest
from supervision.reconcile import Applied
from supervision.registry import Registry
from supervision.restarts.policy import Intensity, RestartRecords
from supervision.restarts.restart_budgets import RestartBudgets
from tests.processes.valkey import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from actors.state.documents import Documents

TOKEN = "tmo_" + "a" * 40
KEY = {
    "id": "a",
    "hash": digest(TOKEN),
    "scopes": ["send"],
    "connections": ["shop"],
    "created_at": 1.0,
    "name": "first",
}
SHOP = {
    "id": "shop",
    "engine": "whatsmeow",
    "webhook": None,
    "desired": "running",
    "generation": 3,
    "recover": 1,
    "created_at": 1.0,
    "deleted": False,
    "show_online": True,
    "proxy": "http://shop:s3cret@proxy.example:3128",
    "reject_calls": True,
    "a setting of a later release": 1,
    "applied": {"generation": 2, "recover": 1},
}


OPTIONS = ConnectionOptions(
    show_online=True, proxy="http://shop:s3cret@proxy.example:3128", reject_calls=True
)


@pytest.fixture
async def away(tmp_path: Path) -> AsyncIterator[Documents]:
    host = f"127.0.0.1:{free_port()}"
    store = open_documents(resolve_settings(data=tmp_path, firestore_emulator_host=host))
    yield store
    await store.close()


async def nobody() -> AsyncIterator[None]:
    await asyncio.Event().wait()
    yield


@pytest.fixture
async def copy(tmp_path: Path) -> LocalCopy:
    return LocalCopy(tmp_path / "copy.json")


async def test_connections_are_known(away: Documents, copy: LocalCopy) -> None:
    await copy.write([SHOP, {**SHOP, "id": "gone", "deleted": True}])
    known = ConnectionCache(away, nobody, copy)
    await known.refresh()
    assert [(one.id, one.options) for one in known.all()] == [("shop", OPTIONS)]
    assert not known.fresh, "and it is said that the store is away"
    unknown = ConnectionCache(away, nobody, LocalCopy(None))
    await unknown.refresh()
    with pytest.raises(StoreAway):
        unknown.all()


async def test_keys_are_known_and_others_cannot_be_judged(away: Documents, copy: LocalCopy) -> None:
    await copy.write([KEY])
    ring = ApiKeyCache(away, copy=copy)
    key = await ring.find(TOKEN)
    assert key is not None
    assert key.may("send")
    assert not key.may("admin")
    with pytest.raises(StoreAway):
        await ring.find("tmo_" + "b" * 40)
    assert await admits(copy, TOKEN)
    assert await admits(copy, None)
    assert not await admits(copy, "tmo_" + "b" * 40)
    assert not await admits(LocalCopy(None), None)


async def test_the_root_knows_what_is_desired_and_what_it_acted_upon(
    away: Documents, copy: LocalCopy
) -> None:
    await copy.write([SHOP])
    budgets = RestartBudgets(RestartRecords(Intensity(10, 10.0), 0.5, 60.0), away)
    registry = Registry(away, budgets, copy)
    assert await registry.refresh() is False
    assert registry.wanted["shop"].generation == 3
    assert registry.wanted["shop"].options == OPTIONS
    assert registry.applied("shop") == Applied(2, 1)
