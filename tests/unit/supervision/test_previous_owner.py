"""Ends of previous owners: by a kill, or by the end of their lease (G6)."""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import pytest

from actors.redis.leases.leases import Lease, Owner
from actors.runtime import host_identity
from supervision.child import Child
from supervision.cluster import ActorDead, CallTimeout
from supervision.previous_owner import PreviousOwners
from supervision.restarts.policy import LeaseExpiry
from supervision.standbys import Standbys
from tests.waits import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from supervision.children import Children

FAR = "elsewhere"


class Neighbour:
    """An actor of the other host, with answers set by the test."""

    def __init__(self, answer: bool | Exception) -> None:
        self.name = "connection:neighbour"
        self.answer = answer
        self.asked: list[tuple[object, ...]] = []

    async def aside(self, method: str, *args: object, within: float) -> bool:
        assert method == "end_neighbour"
        assert within > 0
        self.asked.append(args)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class Family:
    """The root's children."""

    def __init__(self, *neighbours: Neighbour, hung: bool = False) -> None:
        self.children = [Child("connection", each) for each in neighbours]  # type: ignore[arg-type]
        for number, child in enumerate(self.children):
            child.pid, child.node, child.hung = 100 + number, FAR, hung
        self.pids: set[int] = set()
        self.answers: list[bool] = []
        self.created: list[tuple[str, str | None]] = []
        self.standbys = Standbys(cast("Children", self), 1)

    def __iter__(self) -> Iterator[Child]:
        return iter(self.children)

    async def create(self, role: str, host: str | None = None) -> Child:
        """A child on the host, with the first of the answers that are left; without any the host is dead."""
        self.created.append((role, host))
        await asyncio.sleep(0)
        if not self.answers:
            raise ActorDead
        child = Child(role, Neighbour(self.answers.pop(0)))  # type: ignore[arg-type]
        child.pid, child.node = 200, host
        self.children.append(child)
        return child

    def on(self, node: str) -> list[Child]:
        return [child for child in self.children if child.node == node and not child.hung]


def lease(owner: Owner | None, *, epoch: int = 3, beat: float = 1.0) -> Lease:
    return Lease("shop", epoch, owner, "reconnecting", "hung", time.time(), beat, 0, None)


def owners(family: Family, seconds: float | None = 30.0) -> PreviousOwners:
    expiry = None if seconds is None else LeaseExpiry(seconds)
    return PreviousOwners(cast("Children", family), family.standbys, expiry)


GONE = Owner("connection:old", 7, FAR)


@pytest.mark.parametrize(
    ("neighbours", "waits", "why"),
    [
        ([Neighbour(True)], False, "it is gone, says one who can see it"),
        ([Neighbour(False)], True, "it does not die"),
        ([Neighbour(CallTimeout()), Neighbour(True)], False, "the next one knows"),
        ([Neighbour(ActorDead()), Neighbour(CallTimeout())], True, "nobody knows"),
        ([], True, "nobody is there"),
    ],
)
async def test_an_owner_on_another_host(neighbours: list[Neighbour], waits: bool, why: str) -> None:
    left = await owners(Family(*neighbours)).end(lease(GONE))
    assert (29 < left <= 30.001) if waits else left == 0.0, why  # a clock's float may round up
    for each in neighbours:
        assert all(asked[0] == GONE.pid for asked in each.asked)


async def test_where_no_actor_is_left_a_standby_is_created_and_ends_the_owner() -> None:
    family = Family()
    family.answers = [True]
    ended = owners(family)
    assert await ended.end(lease(GONE)) > 0
    assert await ended.end(replace(lease(GONE), connection="other")) > 0, "one at a time there"
    await eventually("the standby is there", lambda: len(family.children) == 1, 5)
    assert await ended.end(lease(GONE)) == 0.0
    assert family.created == [("connection", FAR)]
    assert family.standbys.names == {"connection:neighbour"}


async def test_a_dead_host_is_given_one_standby_for_each_owner() -> None:
    family = Family()
    ended = owners(family)
    for epoch in (3, 3, 4):
        assert await ended.end(lease(GONE, epoch=epoch)) > 0
        await asyncio.sleep(0.01)
    assert family.created == [("connection", FAR)] * 2
    assert not family.standbys.names


async def test_a_host_with_an_actor_that_does_not_answer_is_given_none() -> None:
    family = Family(Neighbour(CallTimeout()))
    assert await owners(family).end(lease(GONE)) > 0
    await asyncio.sleep(0)
    assert family.created == []


async def test_a_host_that_hangs_is_not_asked() -> None:
    neighbour = Neighbour(True)
    assert await owners(Family(neighbour, hung=True)).end(lease(GONE)) > 0
    assert neighbour.asked == []


async def test_a_neighbour_that_has_the_pid_by_now_is_not_asked_to_end_itself() -> None:
    family = Family(neighbour := Neighbour(True))
    family.children[0].pid = GONE.pid
    assert await owners(family).end(lease(GONE)) > 0
    assert neighbour.asked == []


async def test_it_is_waited_for_from_the_last_renewal_that_was_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 1000.0
    monkeypatch.setattr("supervision.previous_owner.time.monotonic", lambda: now)
    ended = owners(Family())
    old, renewed = lease(GONE, beat=1.0), lease(GONE, beat=2.0)
    ended.saw([old])
    now += 20
    ended.saw([old])
    assert await ended.end(old) == 10.0
    ended.saw([renewed])
    assert await ended.end(renewed) == 30.0, "it renewed: from the beginning"
    now += 30
    assert await ended.end(renewed) == 0.0


async def test_one_that_said_that_it_ends_is_not_waited_for() -> None:
    ended = owners(Family())
    ended.ended("shop", 3)
    assert await ended.end(lease(GONE)) == 0.0
    assert await ended.end(lease(GONE, epoch=4)) > 0, "its successor did not"


@pytest.mark.parametrize("owner", [None, GONE])
async def test_on_one_host_nothing_is_waited_for(owner: Owner | None) -> None:
    assert await owners(Family(), None).end(lease(owner)) == 0.0


async def test_what_is_no_actor_here_is_gone_and_left_alone() -> None:
    stranger = Owner("connection:old", os.getpid(), host_identity.here())
    assert await owners(Family()).end(lease(stranger)) == 0.0
