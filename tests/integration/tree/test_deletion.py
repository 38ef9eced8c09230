"""When the root forgets a connection that was deleted, and when it does not."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from actors.redis.leases import EXPIRES, Owner
from actors.state.documents import CONNECTIONS
from supervision.policy import Expiry
from tests.integration.tree.tended import tended
from tests.waiting import eventually

if TYPE_CHECKING:
    from tests.processes.valkey import Valkey


async def test_an_id_that_is_somebody_elses_by_now_is_not_forgotten(own_server: Valkey) -> None:
    """The root's own copy says that it was deleted; the store, that it is there."""
    async with tended(own_server) as (tending, leases):
        documents = tending._recovery._documents
        lease = await leases.take("shop", Owner("connection:a", 1, "here"))
        await leases.release("shop", lease.epoch, state="stopped", cause="asked")
        await documents.set(CONNECTIONS, "shop", {"deleted": True}, merge=True)
        await tending._registry.refresh()
        await documents.set(CONNECTIONS, "shop", {"deleted": False}, merge=True)
        tending.tend("shop")
        await asyncio.sleep(0.3)
        assert await leases.read("shop") is not None
        found = await documents.get(CONNECTIONS, "shop")
        assert found is not None
        assert found["deleted"] is False
        await documents.set(CONNECTIONS, "shop", {"deleted": True}, merge=True)
        await tending._registry.refresh()
        tending.tend("shop")

        async def forgotten() -> bool:
            return await documents.get(CONNECTIONS, "shop") is None

        await eventually("it is forgotten once it is so", forgotten, 10)
        assert await leases.read("shop") is None


async def test_nothing_is_removed_while_an_owner_out_of_reach_may_serve(
    own_server: Valkey,
) -> None:
    """G6: it would write into what is gone, under an id that is free again."""
    async with tended(own_server, expiry=Expiry(EXPIRES)) as (tending, leases):
        documents = tending._recovery._documents
        lease = await leases.take("shop", Owner("connection:a", 1, "elsewhere"))
        await leases.report("shop", lease.epoch, state="open", cause=None, since=time.time())
        await documents.set(CONNECTIONS, "shop", {"deleted": True}, merge=True)
        await tending._registry.refresh()
        tending.tend("shop")
        await asyncio.sleep(0.3)
        now = await leases.read("shop")
        assert now is not None
        assert now.owner == lease.owner
        assert await documents.get(CONNECTIONS, "shop") is not None
