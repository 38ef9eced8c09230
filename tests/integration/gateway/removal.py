"""Removal of a connection, where no root runs that does it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from actors.connection.state_manager.remote import RemoteState
from actors.queue.outbound_queue import OutboundQueue
from actors.redis.client import connect
from actors.redis.leases.leases import Leases
from actors.state.connections import Connections
from actors.state.open_store import open_documents
from supervision.removal import Removal
from tests.integration.gateway.served import SHOP, Gateway

if TYPE_CHECKING:
    from supervision.registry import Registry


def remove(gateway: Gateway, connection: str = SHOP, *, through_gateway: bool = True) -> None:
    """Delete a connection, and do the root's removal.

    With `through_gateway=False` this gateway does not learn of the deletion.
    """

    async def run() -> None:
        redis, documents = connect(gateway.settings), open_documents(gateway.settings)
        lanes, registry = OutboundQueue(redis, gateway.settings), Connections(documents)
        removal = Removal(
            cast("Registry", registry),
            Leases(redis),
            lanes,
            documents,
            gateway.settings.sessions,
            state=RemoteState(),
            traces=gateway.settings.traces,
            vault=None,
        )
        try:
            if not through_gateway:
                await registry.delete(connection)
            await removal.remove(connection)
        finally:
            await lanes.close()
            await redis.aclose()
            await documents.close()

    if through_gateway:
        gateway.api.delete(f"/api/connections/{connection}").raise_for_status()
    asyncio.run(run())
