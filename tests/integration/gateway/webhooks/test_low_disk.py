"""G13: below a quarter of DISK_RESERVE deliveries take nothing of the disk; all of them come later, in order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.redis import keys
from actors.state.documents import DELIVERED, DELIVERIES
from tests.integration.gateway.files import reserve
from tests.integration.gateway.webhooks.stored_messages import SOON, arrived, store_messages
from tests.reserves import MORE_THAN_THERE_IS
from tests.waits import eventually

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from actors.state.documents import Document, Documents
    from tests.integration.gateway.receiver import Receiver
    from tests.integration.gateway.served import Gateway


async def test_deliveries_wait_for_room(
    documents: Documents, redis: Redis, gateway: Gateway, receiver: Receiver, hook: str
) -> None:
    wanted = await store_messages(documents, 0, 2)
    await arrived(receiver, wanted)

    async def nobody_delivers() -> bool:
        return not await redis.exists(keys.WEBHOOKS_CHANNEL)

    async def notes() -> list[Document]:
        found = [await documents.query(each) for each in (DELIVERED, DELIVERIES)]
        return [item for page in found for item in page.items]

    assert not await nobody_delivers()
    reserve(gateway, MORE_THAN_THERE_IS)
    try:
        await eventually("nobody delivers", nobody_delivers, SOON)
        before = await notes()
        assert before, "the attempts so far"
        wanted += await store_messages(documents, 2, 20, chats=3)
        change = gateway.api.patch(f"/api/webhooks/{hook}", json={"enabled": True})
        change.raise_for_status()  # and the dispatcher looks at once
        assert await nobody_delivers()
        assert receiver.texts == wanted[:2]
        assert await notes() == before
    finally:
        reserve(gateway, 0)
    await arrived(receiver, wanted)
    assert sorted(receiver.texts) == sorted(wanted), "each once"
    assert receiver.in_order
