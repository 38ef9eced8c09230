"""What is asked of a connection: done by whoever serves it, within its time, or not at all."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from actors.redis import commands as lane
from actors.redis import keys
from actors.redis.commands import NoAnswer, TooMany
from tests.waiting import eventually

if TYPE_CHECKING:
    from tests.integration.tree.conftest import Served

ANA, NOBODY = "15550100002@s.whatsapp.net", "15550100099@s.whatsapp.net"


async def test_an_open_connection_answers(served: Served) -> None:
    await served.begin()
    await served.state("open")
    served.engine.strangers = {NOBODY}
    ask = served.commands.ask
    assert await ask("shop", "lookup", {"chat": ANA}, 5) == {"chat": ANA}
    assert await ask("shop", "lookup", {"chat": NOBODY}, 5) == {"chat": None}
    assert await ask("shop", "presence", {"presence": "available"}, 5) == {}
    assert await ask("shop", "typing", {"chat": ANA, "state": "paused"}, 5) == {}
    (group,) = (await ask("shop", "groups", {}, 5))["groups"]
    assert (group["subject"], group["members"][0]["admin"]) == ("Us", True)
    assert served.engine.told == ["available=True", f"{ANA} paused"]


async def test_many_are_asked_at_once_and_each_gets_its_own_answer(served: Served) -> None:
    await served.begin()
    numbers = [f"155501{number:05}@s.whatsapp.net" for number in range(40)]
    served.engine.strangers = set(numbers[::2])
    asked = [served.commands.ask("shop", "lookup", {"chat": each}, 10) for each in numbers]
    told = await asyncio.gather(*asked)
    expected = [None if each in served.engine.strangers else each for each in numbers]
    assert [each["chat"] for each in told] == expected


async def test_a_closed_connection_says_so(served: Served) -> None:
    served.engine.opens = False
    await served.begin()
    told = await served.commands.ask("shop", "lookup", {"chat": ANA}, 5)
    assert told == {"error": "not_connected"}


async def test_what_breaks_is_told_and_breaks_nothing_else(served: Served) -> None:
    await served.begin()
    assert await served.commands.ask("shop", "lookup", {}, 5) == {"error": "command_failed"}
    assert await served.commands.ask("shop", "dance", {}, 5) == {"error": "unknown_command"}
    assert await served.commands.ask("shop", "lookup", {"chat": ANA}, 5) == {"chat": ANA}


async def test_nobody_does_what_nobody_waits_for_any_more(served: Served) -> None:
    with pytest.raises(NoAnswer):
        await served.commands.ask("shop", "presence", {"presence": "available"}, 0.2)
    await served.begin()
    await served.commands.ask("shop", "lookup", {"chat": ANA}, 5)
    assert served.engine.told == []


async def test_no_more_wait_than_may_and_all_is_gone_by_itself(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lane, "MOST", 3)
    waiting = [
        asyncio.ensure_future(served.commands.ask("shop", "presence", {}, 0.5)) for _ in range(3)
    ]

    async def all_wait() -> bool:
        return await served.redis.llen(keys.of("shop").commands) == 3

    await eventually("three wait", all_wait, 5)
    with pytest.raises(TooMany):
        await served.commands.ask("shop", "presence", {}, 0.5)
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(each) for each in results] == [NoAnswer] * 3

    async def gone() -> bool:
        return not await served.redis.keys("*command*") + await served.redis.keys("*answer*")

    await eventually("all is gone", gone, 10)
