"""When the root forgets a connection that was deleted, and when it does not."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest

from actors.redis.leases.leases import EXPIRES, Owner
from actors.runtime.connection_ids import new_id
from actors.state.documents import CONNECTIONS
from supervision.restarts.policy import LeaseExpiry
from tests.integration.tree.reconciler import open_reconciler
from tests.waits import eventually

if TYPE_CHECKING:
    from tests.processes.valkey import Valkey

SHOP = new_id("shop")


@pytest.mark.parametrize("otherwise", [{"deleted": False}, {"incarnation": "LATER0000000"}])
async def test_what_the_store_does_not_call_deleted_is_not_forgotten(
    own_server: Valkey, otherwise: dict[str, Any]
) -> None:
    """The root's own copy says that it was; the store, that it is there, or another of its name."""
    async with open_reconciler(own_server, connection=SHOP) as (reconciler, leases):
        documents = reconciler._recovery._documents
        lease = await leases.take(SHOP, Owner("connection:a", 1, "here"))
        await leases.release(SHOP, lease.epoch, state="stopped", cause="asked")
        deleted = {"deleted": True, "incarnation": SHOP}
        await documents.set(CONNECTIONS, "shop", deleted, merge=True)
        await reconciler._registry.refresh()
        await documents.set(CONNECTIONS, "shop", otherwise, merge=True)
        before = await documents.get(CONNECTIONS, "shop")
        reconciler.reconcile(SHOP)
        await asyncio.sleep(0.3)
        assert await leases.read(SHOP) is not None
        assert await leases.deleted_at(SHOP) is None
        assert before is not None
        assert await documents.get(CONNECTIONS, "shop") == before
        await documents.set(CONNECTIONS, "shop", deleted, merge=True)
        await reconciler._registry.refresh()
        reconciler.reconcile(SHOP)

        async def forgotten() -> bool:
            return await documents.get(CONNECTIONS, "shop") is None

        await eventually("it is forgotten once it is so", forgotten, 10)
        assert await leases.read(SHOP) is None


async def test_nothing_is_removed_while_an_owner_out_of_reach_may_serve(
    own_server: Valkey,
) -> None:
    """G6: it would write into what is gone, under a name that is free again."""
    async with open_reconciler(own_server, connection=SHOP, expiry=LeaseExpiry(EXPIRES)) as (
        reconciler,
        leases,
    ):
        documents = reconciler._recovery._documents
        lease = await leases.take(SHOP, Owner("connection:a", 1, "elsewhere"))
        await leases.report(SHOP, lease.epoch, state="open", cause=None, since=time.time())
        await documents.set(CONNECTIONS, "shop", {"deleted": True}, merge=True)
        await reconciler._registry.refresh()
        reconciler.reconcile(SHOP)
        await asyncio.sleep(0.3)
        now = await leases.read(SHOP)
        assert now is not None
        assert now.owner == lease.owner
        assert await leases.deleted_at(SHOP) is not None, "sends are refused meanwhile"
        assert await documents.get(CONNECTIONS, "shop") is not None
