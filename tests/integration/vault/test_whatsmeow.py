"""Copies of a session of the engine on whatsmeow: its keys are beside the file, and in the copy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from actors.connection.whatsmeow.program import files
from tests.integration.engine.simulated import ACCOUNT, CONTACT, until
from tests.integration.vault.conftest import SHOP, Host, World

if TYPE_CHECKING:
    from actors.connection.actor import ConnectionActor

pytestmark = pytest.mark.skipif(
    files.find() is None, reason=f"{files.NAME} is not built: `make whatsmeow` does it"
)

COUNT = 40


async def unacknowledged(world: World) -> int:
    return int((await world.simulator.account(ACCOUNT))["unacknowledged"])


async def goes_on(world: World, actor: ConnectionActor, word: str) -> None:
    await world.send(actor, f"{word} out")
    await world.hear(f"{word} in")


async def test_a_disk_that_is_lost_costs_no_qr(world: World) -> None:
    """G7: the copy is of both files, and what was said after it was made is said once."""
    host = Host(world, "a", engine="whatsmeow")
    async with host.serves(clean=False) as actor:
        first = await world.pair()
        await world.copied(first.epoch)
        await goes_on(world, actor, "one")
        before = (await world.vault.copies(SHOP))[-1].position
        assert actor._copies is not None
        actor._copies.look()

        async def kept() -> bool:
            return (await world.vault.copies(SHOP))[-1].position > before

        await until(kept)
        await goes_on(world, actor, "after the copy")
    host.lose_disk()
    await world.simulator.say(CONTACT, ACCOUNT, "while away")
    async with host.serves() as actor:
        again = await world.opened()
        assert (again.epoch, again.obstacle) == (first.epoch + 1, None)
        assert await world.leases.qr(SHOP) is None
        await until(lambda: "while away" in world.texts)
        for word in ("two", "three"):
            await goes_on(world, actor, word)
    assert len(world.texts) == len(set(world.texts))


async def test_a_session_that_moved_on_is_not_woken_where_it_was(world: World) -> None:
    """G6: A → B → A. A's files move aside, and B's are served."""
    a, b = Host(world, "a", engine="whatsmeow"), Host(world, "b", engine="whatsmeow")
    async with a.serves() as actor:
        first = await world.pair()
        await goes_on(world, actor, "a")
    async with b.serves() as actor:
        await world.opened()
        await goes_on(world, actor, "b")
    async with a.serves() as actor:
        lease = await world.opened()
        await goes_on(world, actor, "a again")
        assert lease.epoch == first.epoch + 2
    assert list(a.file.parent.glob(f"*/*/{files.DATABASE}")), "its former keys are gone"
    assert world.texts == ["a in", "b in", "a again in"]
    texts = [item["text"] for item in await world.simulator.inbox(CONTACT)]
    assert texts == ["a out", "b out", "a again out"]


async def test_nothing_is_acknowledged_that_the_store_has_not(world: World) -> None:
    """G5 beyond the disk: with the store away all stays WhatsApp's, and the connection stays open."""
    host = Host(world, "a", engine="whatsmeow", session_storage_type="cloud")
    async with host.serves(clean=False) as actor:
        first = await world.pair()
        await world.hear("before")
        await world.copied(first.epoch)
        world.shelf.away = True
        await world.simulator.say(CONTACT, ACCOUNT, "held", count=COUNT)
        assert actor._serving is not None
        counts = actor._serving._engine.counts  # type: ignore[attr-defined]
        await until(lambda: counts["message.stored"] == COUNT + 1)
        assert await unacknowledged(world) >= COUNT
        await world.send(actor, "goes on meanwhile")
    host.lose_disk()
    world.shelf.away = False
    async with host.serves() as actor:
        await world.opened()
        await until(lambda: len(world.texts) == COUNT + 1)
        await goes_on(world, actor, "later")

        async def all_of_it() -> bool:
            return await unacknowledged(world) == 0

        await until(all_of_it)
    assert world.texts == ["before", *(f"held {n}" for n in range(1, COUNT + 1)), "later in"]
