"""Subjects of groups are asked for once a message shows that one is unknown, and hold up nothing."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from actors.connection.engine import InboxMessage, NotConnected
from actors.connection.owner import group_names
from actors.connection.owner.group_names import MAX_REQUESTED_GROUPS, REFETCH_PERIOD, GroupNames

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import pytest

ANA = "15550100002@s.whatsapp.net"
GROUP = "120363000000000001@g.us"
UNNAMED = InboxMessage(1, GROUP, ANA, "A", 5, "text", "hi")
NAMED = replace(UNNAMED, chat_name="Chess club")


class Engine:
    def __init__(self) -> None:
        self.asked = 0
        self.away: Exception | None = None
        self.administration = self.groups = self

    async def all(self) -> list[Any]:
        self.asked += 1
        if self.away is not None:
            raise self.away
        return []


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def running(names: GroupNames, engine: Engine) -> AsyncIterator[None]:
    task = asyncio.create_task(names.run(cast("Any", engine)))
    yield
    assert not task.done()
    task.cancel()


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0.002)


async def test_only_a_group_without_a_subject_is_asked_for_and_once_a_day(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(group_names, "GROUP_REQUEST_PAUSE_SECONDS", 0.0)
    engine, clock = Engine(), Clock()
    names = GroupNames("shop", clock=clock)
    async with running(names, engine):
        names.look([NAMED, replace(UNNAMED, chat=ANA)])
        await settle()
        assert engine.asked == 0
        names.look([NAMED, UNNAMED])
        await settle()
        assert engine.asked == 1
        clock.now += REFETCH_PERIOD - 1
        names.look([UNNAMED])  # the account is not in it, say
        await settle()
        assert engine.asked == 1
        names.look([replace(UNNAMED, chat="120363000000000002@g.us")])
        await settle()
        assert engine.asked == 2
        clock.now += 2
        names.look([UNNAMED])
        await settle()
        assert engine.asked == 3


async def test_one_request_is_for_all_and_the_next_one_waits() -> None:
    engine = Engine()
    names = GroupNames("shop")
    async with running(names, engine):
        names.look([UNNAMED, replace(UNNAMED, chat="120363000000000002@g.us")])
        await settle()
        names.look([replace(UNNAMED, chat="120363000000000003@g.us")])
        await settle()
        assert engine.asked == 1


async def test_a_request_that_fails_is_repeated_with_the_next_message(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(group_names, "GROUP_REQUEST_PAUSE_SECONDS", 0.0)
    engine = Engine()
    names = GroupNames("shop")
    async with running(names, engine):
        for away in (NotConnected(), RuntimeError("not foreseen")):
            engine.away = away
            names.look([UNNAMED])
            await settle()
        assert engine.asked == 2
        engine.away = None
        names.look([UNNAMED])
        await settle()
        names.look([UNNAMED])
        await settle()
        assert engine.asked == 3


async def test_groups_that_were_asked_for_are_remembered_within_bounds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(group_names, "GROUP_REQUEST_PAUSE_SECONDS", 0.0)
    engine = Engine()
    names = GroupNames("shop")
    async with running(names, engine):
        for begin in range(0, 3 * MAX_REQUESTED_GROUPS, MAX_REQUESTED_GROUPS // 2):
            names.look(
                replace(UNNAMED, chat=f"{10_000 + number}@g.us")
                for number in range(begin, begin + MAX_REQUESTED_GROUPS // 2)
            )
            await settle()
        assert 0 < len(names._requested_at) <= MAX_REQUESTED_GROUPS
