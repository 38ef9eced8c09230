"""Refused documents of a connection: counted in its lease, listed and decided on by command."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from actors.connection.engine import InboxMessage
from actors.connection.state_manager.port import StateRefused
from actors.redis.leases.lease_record import HeldItems
from tests.integration.tree.scripted import ACCOUNT, Shelf
from tests.waits import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.integration.tree.conftest import Served

ANA = "15550100002@s.whatsapp.net"


class Choosy(Shelf):
    """A state manager that takes no message with this text, and no report with that cause."""

    refusing = True

    async def store_messages(
        self, connection: str, epoch: int, items: Sequence[dict[str, Any]]
    ) -> bool:
        if self.refusing and any(item["text"] == "unstorable" for item in items):
            raise StateRefused
        return await super().store_messages(connection, epoch, items)

    async def report_state(self, connection: str, observed: dict[str, Any]) -> None:
        if self.refusing and observed["state"] == "open":
            raise StateRefused
        await super().report_state(connection, observed)


def message(key: int, text: str) -> InboxMessage:
    return InboxMessage(key, ANA, ANA, f"M{key}", key, "text", text)


async def counted(served: Served, wanted: int) -> None:
    async def look() -> bool:
        lease = await served.leases.read("shop")
        return lease is not None and lease.held.refused_documents == wanted

    await eventually(f"{wanted} refused documents", look, 10)


async def test_the_lease_says_how_many_and_a_person_decides(served: Served) -> None:
    shelf = served.shelf = Choosy()
    texts = ["a", "unstorable", "b", "unstorable", "c"]
    served.engine.inbox = {key: message(key, text) for key, text in enumerate(texts, 1)}
    await served.begin()
    await counted(served, 2)
    assert set(shelf.messages) == {"shop.M1", "shop.M3", "shop.M5"}
    assert not served.engine.inbox
    served.engine.deferred = 4, 3
    await served.engine.events.on_inbox()

    async def waits() -> bool:
        lease = await served.leases.read("shop")
        return lease is not None and lease.held == HeldItems(2, 4, 3)

    await eventually("4 files wait", waits, 10)
    ask = served.commands.request
    told = await ask("shop", "refused_items", {"limit": "1", "after": "0"}, 5)
    assert [item["key"] for item in told["items"]] == [2]
    told = await ask("shop", "refused_items", {"limit": "5", "after": "2"}, 5)
    assert [item["key"] for item in told["items"]] == [4]
    assert await ask("shop", "discard_refused", {"item": "4"}, 5) == {"there": True}
    assert await ask("shop", "discard_refused", {"item": "4"}, 5) == {"there": False}
    await counted(served, 1)
    assert await ask("shop", "retry_refused", {"item": "2"}, 5) == {"there": True}
    await counted(served, 1)
    shelf.refusing = False
    await ask("shop", "retry_refused", {"item": "2"}, 5)
    await counted(served, 0)
    assert set(shelf.messages) == {"shop.M1", "shop.M2", "shop.M3", "shop.M5"}


async def test_a_connection_outlives_reports_that_are_refused(served: Served) -> None:
    served.shelf = Choosy()
    serving = await served.begin()
    await served.state("open")
    served.engine.inbox[1] = message(1, "a")
    await served.engine.events.on_inbox()

    async def stored() -> bool:
        return "shop.M1" in served.shelf.messages

    await eventually("what comes is stored", stored, 10)
    assert serving.now.account == ACCOUNT
    assert not serving._ended.done()


async def test_the_next_owner_knows_how_many_there_are(served: Served) -> None:
    served.shelf = Choosy()
    served.engine.inbox = {1: message(1, "unstorable")}
    serving = await served.begin()
    await counted(served, 1)
    await serving.stop()
    await counted(served, 1)


async def test_the_lease_says_that_no_more_have_room_until_a_person_decided(served: Served) -> None:
    served.shelf = Choosy()
    served.engine.room_aside = 1
    texts = ["unstorable", "unstorable", "behind"]
    served.engine.inbox = {key: message(key, text) for key, text in enumerate(texts, 1)}
    await served.begin()

    async def full() -> bool | None:
        lease = await served.leases.read("shop")
        return (
            lease.held.refused_full if lease is not None and lease.held.refused_documents else None
        )

    await eventually("it is full", full, 10)
    assert set(served.engine.inbox) == {2, 3}
    assert served.shelf.messages == {}
    assert await served.commands.request("shop", "discard_refused", {"item": "1"}, 5) == {
        "there": True
    }
    await eventually("it goes on", _is_stored(served, "shop.M3"), 30)
    assert list(served.engine.aside) == [2]

    async def has_room() -> bool:
        return await full() is False

    await eventually("the lease says that there is room", has_room, 10)


def _is_stored(served: Served, message_id: str) -> Callable[[], bool]:
    return lambda: message_id in served.shelf.messages
