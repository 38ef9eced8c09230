"""The root's records of a connection whose owner is gone."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest

from actors.redis.leases.leases import EXPIRES, Leases, Owner
from supervision.child import Child, End
from supervision.cluster import ActorHandle
from supervision.restarts.policy import Intensity, LeaseExpiry
from tests.integration.tree.reconciler import open_reconciler
from tests.waits import eventually

if TYPE_CHECKING:
    from actors.redis.leases.leases import Lease
    from tests.processes.valkey import Valkey


class SlowToMark(Leases):
    """A line that has to be made anew, while the next one is there already."""

    async def mark(self, *args: Any, state: str, **named: Any) -> bool:
        if state == "reconnecting":
            await asyncio.sleep(0.2)
        return await super().mark(*args, state=state, **named)


async def becomes(leases: Leases, state: str) -> Lease:
    async def look() -> Lease | None:
        now = await leases.read("shop")
        return now if now is not None and now.state == state else None

    return await eventually(f"shop is {state}", look, 10)


@pytest.mark.parametrize("through", [Leases, SlowToMark])
async def test_the_note_of_a_fall_never_replaces_the_verdict(
    own_server: Valkey, through: type[Leases]
) -> None:
    """The last fall ends as `failed`, however slow the line to Redis is (G9).

    It would be started once more, then, and its whole budget of falls forgotten.
    """
    async with open_reconciler(own_server, through=through, intensity=Intensity(0, 10.0)) as (
        reconciler,
        leases,
    ):
        lease = await leases.take("shop", Owner("connection:a", 1, "here"))
        child = Child("connection", ActorHandle("connection:a", None), connection="shop", epoch=1)
        reconciler.ended(child, End("crashed"))
        await becomes(leases, "failed")
        await asyncio.sleep(0.5)
        now = await leases.read("shop")
        assert now is not None
        assert (now.state, now.cause, now.epoch) == ("failed", "crash_loop", lease.epoch)


class Standby(ActorHandle):
    """An actor that takes the lease, and serves nothing."""

    def __init__(self, leases: Leases) -> None:
        super().__init__("connection:b", None)
        self._leases = leases

    async def call(self, method: str, *args: Any, **_: Any) -> Any:
        if method == "configure":
            return None
        assert (method, args[0]) == ("serve", "shop")
        return (await self._leases.take("shop", Owner("connection:b", 2, "here"))).epoch


async def test_what_was_done_about_a_zombie_says_what_it_was_and_became(
    own_server: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It said that it was open; what the lease says by now followed from that."""
    async with open_reconciler(own_server) as (reconciler, leases):

        async def take() -> Child:
            return Child("connection", Standby(leases))

        monkeypatch.setattr(reconciler._standbys, "take", take)
        lease = await leases.take("shop", Owner("connection:a", 1, "here"))
        await leases.release("shop", lease.epoch, state="reconnecting", cause="zombie")
        handle = ActorHandle("connection:a", None)
        child = Child("connection", handle, connection="shop", epoch=1, state="open")
        reconciler.ended(child, End("zombie"))
        waiting = reconciler._recovery._waiting
        await eventually("it is on record", lambda: len(waiting) == 1, 10)
        [action] = waiting
        told = {name: action[name] for name in ("cause", "action", "before", "after")}
        assert told == {
            "cause": "zombie",
            "action": "restarted",
            "before": "open",
            "after": "connecting",
        }
        assert (action["epoch_before"], action["epoch_after"]) == (1, 2)


@pytest.mark.parametrize("others", [True, False], ids=["others live", "nobody lives"])
async def test_an_owner_out_of_reach_is_not_called_open_while_its_lease_runs_out(
    own_server: Valkey, others: bool
) -> None:
    """G6: a root that has only just begun saw nobody fall, and waits as long as any other."""
    async with open_reconciler(own_server, expiry=LeaseExpiry(EXPIRES)) as (reconciler, leases):
        lease = await leases.take("shop", Owner("connection:a", 1, "elsewhere"))
        await leases.report("shop", lease.epoch, state="open", cause=None, since=time.time())
        found = await leases.read("shop")
        assert found is not None
        assert found.state == "open"
        if others:  # or it is a cold start, at which nobody fell
            reconciler.orphaned(found)
        await reconciler.reconcile_all()
        now = await becomes(leases, "reconnecting")
        assert (now.cause, now.epoch, now.owner) == ("crashed", lease.epoch, lease.owner)
        reconciler.reconcile("shop")  # it looks again, and has nothing new to say
        await asyncio.sleep(0.3)
        assert await leases.read("shop") == now


async def test_what_an_actor_said_of_its_end_counts_though_its_lease_does_not_say_so(
    own_server: Valkey,
) -> None:
    """Redis was away then: the account is banned all the same, and nobody logs in again."""
    async with open_reconciler(own_server) as (reconciler, leases):
        lease = await leases.take("shop", Owner("connection:a", 1, "here"))
        handle = ActorHandle("connection:a", None)
        child = Child("connection", handle, connection="shop", epoch=lease.epoch)
        reconciler.ended(child, End("failed", "banned"))
        now = await becomes(leases, "failed")
        assert (now.cause, now.epoch) == ("banned", lease.epoch)


async def test_a_root_that_was_replaced_does_nothing_about_a_fall(own_server: Valkey) -> None:
    """G6: that is its successor's to see."""
    asked = asyncio.Event()

    async def replaced() -> None:
        asked.set()
        await asyncio.Event().wait()  # as one that ends here

    async with open_reconciler(own_server, intensity=Intensity(0, 10.0), confirm=replaced) as (
        reconciler,
        leases,
    ):
        lease = await leases.take("shop", Owner("connection:a", 1, "here"))
        handle = ActorHandle("connection:a", None)
        reconciler.ended(
            Child("connection", handle, connection="shop", epoch=lease.epoch), End("crashed")
        )
        await asyncio.wait_for(asked.wait(), 5)
        await asyncio.sleep(0.2)
        assert await leases.read("shop") == lease


async def test_no_more_are_served_than_may_be(
    own_server: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MAX_CONNECTIONS: one connection too many waits until another is gone."""
    async with open_reconciler(own_server, limit=1) as (reconciler, leases):
        taken = asyncio.Event()

        async def take() -> Child:
            taken.set()
            return Child("connection", Standby(leases))

        monkeypatch.setattr(reconciler._standbys, "take", take)
        other = Child("connection", ActorHandle("connection:a", None), connection="other")
        reconciler._children._all["connection:a"] = other
        reconciler.reconcile("shop")
        await asyncio.sleep(0.3)
        assert not taken.is_set()
        del reconciler._children._all["connection:a"]
        reconciler.reconcile("shop")
        await asyncio.wait_for(taken.wait(), 5)
