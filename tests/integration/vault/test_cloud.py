"""``cloud``: a message is acknowledged to WhatsApp only when the state store has it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.integration.engine.simulated import ACCOUNT, CONTACT, until
from tests.integration.vault.conftest import Host, World

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

COUNT = 150
LONG_AGO = 1_790_000_000


async def test_nothing_is_acknowledged_that_the_store_has_not(world: World) -> None:
    """G5 beyond the disk: with the store away all stays WhatsApp's, and the connection stays open."""
    host = Host(world, "a", session_storage_type="cloud")
    async with host.serves() as actor:
        await world.pair()
        await world.hear("before")
        await until(_unacknowledged(world, 0))
        world.shelf.away = True
        await world.simulator.say(CONTACT, ACCOUNT, "held", count=COUNT)
        assert actor._serving is not None
        counts = actor._serving._engine.counts  # type: ignore[attr-defined]
        await until(lambda: counts["message.stored"] == COUNT + 1)
        assert await _unacknowledged(world, COUNT)()
        await world.send(actor, "goes on meanwhile")
        world.shelf.away = False
        await until(_unacknowledged(world, 0))
        assert world.texts == ["before", *(f"held {number}" for number in range(1, COUNT + 1))]


async def test_every_message_that_was_acknowledged_outlives_the_disk(world: World) -> None:
    """The disk goes with the store away: WhatsApp still has what the store has not."""
    host = Host(world, "a", session_storage_type="cloud")
    async with host.serves(clean=False):
        first = await world.pair()
        await world.copied(first.epoch)
        await world.hear("stored")
        world.shelf.away = True
        await world.simulator.say(CONTACT, ACCOUNT, "on the disk alone", count=20)
        await until(_unacknowledged(world, 20))
    host.lose_disk()
    world.shelf.away = False
    assert world.texts == ["stored"]
    async with host.serves() as actor:
        await world.opened()
        await until(lambda: len(world.texts) == 21)
        await until(_unacknowledged(world, 0))
        await world.send(actor, "goes on")
    assert sorted(world.texts) == sorted(
        ["stored", *(f"on the disk alone {number}" for number in range(1, 21))]
    )


async def test_what_the_phone_tells_of_the_time_before_outlives_the_disk(world: World) -> None:
    """It is the phone's last word: acknowledged once the store has all of it, and holding up nothing."""
    host = Host(world, "a", session_storage_type="cloud")
    past = [{"text": f"then {number}", "at": LONG_AGO + number} for number in range(COUNT)]
    async with host.serves(clean=False) as actor:
        first = await world.pair()
        await world.copied(first.epoch)
        await world.hear("stored")
        await until(_unacknowledged(world, 0))
        world.shelf.away = True
        await world.simulator.history(
            inline=True, conversations=[{"chat": CONTACT, "messages": past}]
        )
        assert actor._serving is not None
        counts = actor._serving._engine.counts  # type: ignore[attr-defined]
        await until(lambda: counts["history.stored"] == 1)
        await world.send(actor, "goes on meanwhile")
        await until(_unacknowledged(world, 1))
        world.shelf.away = False
        await world.hear("and this way")
        await until(lambda: len(world.texts) == COUNT + 2)
        await until(_unacknowledged(world, 0))
        world.shelf.away = True
        await world.simulator.history(
            inline=True,
            conversations=[{"chat": CONTACT, "messages": [{**past[0], "text": "also then"}]}],
        )
        await until(lambda: counts["history.stored"] == 2)
        assert await _unacknowledged(world, 1)()
    host.lose_disk()
    world.shelf.away = False
    assert "also then" not in world.texts
    async with host.serves() as actor:
        await world.opened()
        await until(lambda: "also then" in world.texts)
        await until(_unacknowledged(world, 0))
        await world.send(actor, "goes on")
    assert len(world.texts) == COUNT + 3


async def test_hybrid_acknowledges_what_is_on_the_disk(world: World) -> None:
    host = Host(world, "a", session_storage_type="hybrid")
    async with host.serves():
        await world.pair()
        world.shelf.away = True
        await world.simulator.say(CONTACT, ACCOUNT, "on the disk")
        await until(_unacknowledged(world, 0))
        assert world.texts == []
        world.shelf.away = False


def _unacknowledged(world: World, messages: int) -> Callable[[], Awaitable[bool]]:
    """Whether so many messages wait at WhatsApp; where it is none, nothing else does."""

    async def look() -> bool:
        [device] = (await world.simulator.account(ACCOUNT))["devices"]
        waiting = device["waiting"]
        return waiting.get("message", 0) == messages and (messages > 0 or not any(waiting.values()))

    return look
