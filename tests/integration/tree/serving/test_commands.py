"""Commands to a connection: its owner runs them within their time, or not at all."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from actors.connection.disconnects.causes import Kind
from actors.connection.engine import NO_CODE, Qr
from actors.connection.trace.recorder import Recorder
from actors.metrics.mistakes import OWN_MISTAKES
from actors.redis import commands as lane
from actors.redis import keys
from actors.redis.commands import NoAnswer, TooLong, TooMany
from actors.redis.leases.leases import Owner
from tests.processes.measured import Measured
from tests.waits import eventually

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.tree.conftest import Served

ANA, NOBODY = "15550100002@s.whatsapp.net", "15550100099@s.whatsapp.net"


async def test_an_open_connection_answers(served: Served) -> None:
    await served.begin()
    await served.state("open")
    served.engine.strangers = {NOBODY}
    ask = served.commands.request
    assert await ask("shop", "lookup", {"chat": ANA}, 5) == {"chat": ANA}
    assert await ask("shop", "lookup", {"chat": NOBODY}, 5) == {"chat": None}
    assert await ask("shop", "presence", {"presence": "available"}, 5) == {}
    assert await ask("shop", "typing", {"chat": ANA, "state": "paused"}, 5) == {}
    (group,) = (await ask("shop", "groups", {}, 5))["groups"]
    assert (group["subject"], group["members"][0]["admin"]) == ("Us", True)
    assert await ask("shop", "group", {"chat": group["chat"]}, 5) == group | {"settings": None}
    unknown = await ask("shop", "group", {"chat": "120363999999999999@g.us"}, 5)
    assert unknown == {"error": "unknown_group"}
    assert served.engine.told == ["available=True", f"{ANA} paused"]


async def test_a_trace_is_started_looked_at_and_stopped(served: Served, tmp_path: Path) -> None:
    """Also while the connection is not open: a login that fails is worth one."""
    served.engine.opens = False
    served.engine.recorder = Recorder(tmp_path / "logs" / "trace" / "shop.jsonl", "whatsmeow")
    await served.begin()
    for action, tracing in (("look", False), ("start", True), ("look", True), ("stop", False)):
        told = await served.commands.request("shop", "trace", {"action": action}, 5)
        assert (told["tracing"], told["file"]) == (tracing, "logs/trace/shop.jsonl")
    assert served.engine.recorder.on is False


async def test_many_are_asked_at_once_and_each_gets_its_own_answer(served: Served) -> None:
    await served.begin()
    numbers = [f"155501{number:05}@s.whatsapp.net" for number in range(40)]
    served.engine.strangers = set(numbers[::2])
    asked = [served.commands.request("shop", "lookup", {"chat": each}, 10) for each in numbers]
    told = await asyncio.gather(*asked)
    expected = [None if each in served.engine.strangers else each for each in numbers]
    assert [each["chat"] for each in told] == expected


async def test_a_closed_connection_says_so(served: Served) -> None:
    served.engine.opens = False
    await served.begin()
    told = await served.commands.request("shop", "lookup", {"chat": ANA}, 5)
    assert told == {"error": "not_connected"}


async def test_a_command_that_breaks_is_reported_and_breaks_nothing_else(served: Served) -> None:
    await served.begin()
    measured = Measured()
    assert await served.commands.request("shop", "lookup", {}, 5) == {"error": "command_failed"}
    assert measured.rise(OWN_MISTAKES, action="command") == 1
    assert await served.commands.request("shop", "dance", {}, 5) == {"error": "unknown_command"}
    assert await served.commands.request("shop", "lookup", {"chat": ANA}, 5) == {"chat": ANA}


async def test_nobody_does_what_nobody_waits_for_any_more(served: Served) -> None:
    with pytest.raises(NoAnswer):
        await served.commands.request("shop", "presence", {"presence": "available"}, 0.2)
    await served.begin()
    await served.commands.request("shop", "lookup", {"chat": ANA}, 5)
    assert served.engine.told == []


async def test_no_more_wait_than_may_and_all_is_gone_by_itself(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lane, "MAX_WAITING_COMMANDS", 3)
    waiting = [
        asyncio.ensure_future(served.commands.request("shop", "presence", {}, 0.5))
        for _ in range(3)
    ]

    async def all_wait() -> bool:
        return await served.redis.llen(keys.of("shop").commands) == 3

    await eventually("three wait", all_wait, 5)
    with pytest.raises(TooMany):
        await served.commands.request("shop", "presence", {}, 0.5)
    assert len(await served.redis.keys("*:command:*")) == 3
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(each) for each in results] == [NoAnswer] * 3

    async def gone() -> bool:
        return not await served.redis.keys("*command*") + await served.redis.keys("*answer*")

    await eventually("all is gone", gone, 10)


async def test_no_more_wait_than_may_however_many_are_asked_at_once(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lane, "MAX_WAITING_COMMANDS", 3)
    asked = [served.commands.request("shop", "presence", {}, 0.5) for _ in range(20)]
    results = await asyncio.gather(*asked, return_exceptions=True)
    assert sorted(type(each).__name__ for each in results) == ["NoAnswer"] * 3 + ["TooMany"] * 17


async def test_a_long_command_is_not_put(served: Served) -> None:
    with pytest.raises(TooLong):
        await served.commands.request(
            "shop", "presence", {"presence": "x" * lane.MAX_COMMAND_BYTES}, 0.5
        )
    assert not await served.redis.keys("*command*")


PHONE = "15550100001@s.whatsapp.net"


async def unlinked(served: Served) -> None:
    served.engine.account = None
    await served.begin()
    await served.state("pairing")


async def test_a_connection_that_waits_for_a_phone_gives_a_code(served: Served) -> None:
    await unlinked(served)
    told = await served.commands.request("shop", "pairing_code", {"phone": PHONE}, 5)
    assert (told["text"], served.engine.told) == ("CODE-0001", [f"code {PHONE}"])

    async def shown() -> bool:
        return await served.leases.pairing_code("shop") == ("CODE-0001", told["expires_at"])

    await eventually("the code is shown", shown, 10)
    assert await served.leases.qr("shop") is not None, "beside the QR"
    await served.engine.events.on_qr(Qr("2@next", time.time() + 20))

    async def scanned() -> bool:
        return (await served.leases.qr("shop") or ("", 0))[0] == "2@next"

    await eventually("the next QR", scanned, 10)
    assert await served.leases.pairing_code("shop") is not None, "a QR voids no code"
    await served.engine.events.on_code(NO_CODE)

    async def void() -> bool:
        return await served.leases.pairing_code("shop") is None

    await eventually("the code is void", void, 10)
    assert await served.leases.qr("shop") is not None, "the QR goes on"


async def test_a_code_is_void_once_its_owner_is_gone(served: Served) -> None:
    await unlinked(served)
    await served.commands.request("shop", "pairing_code", {"phone": PHONE}, 5)

    async def shown() -> bool:
        return await served.leases.pairing_code("shop") is not None

    await eventually("the code is shown", shown, 10)
    await served.leases.take("shop", Owner("connection:b", 2, "here"))
    assert await served.leases.pairing_code("shop") is None


async def test_a_code_is_void_once_its_socket_closed(served: Served) -> None:
    await unlinked(served)
    await served.commands.request("shop", "pairing_code", {"phone": PHONE}, 5)

    async def shown(there: bool) -> bool:
        return (await served.leases.pairing_code("shop") is not None) is there

    await eventually("the code is shown", lambda: shown(True), 10)
    served.engine.close_socket(Kind.NETWORK)
    await eventually("the code is void", lambda: shown(False), 10)


async def test_codes_are_not_asked_for_without_end(served: Served) -> None:
    await unlinked(served)
    asked = [
        served.commands.request("shop", "pairing_code", {"phone": PHONE}, 10) for _ in range(6)
    ]
    told = await asyncio.gather(*asked)
    refused = [one for one in told if "error" in one]
    assert [one["error"] for one in refused] == ["pairing_code_limited"]
    assert 290 < refused[0]["wait"] <= 300
    assert len(served.engine.told) == 5


async def test_of_a_linked_connection_there_is_no_code(served: Served) -> None:
    await served.begin()
    await served.state("open")
    told = await served.commands.request("shop", "pairing_code", {"phone": PHONE}, 5)
    assert told == {"error": "already_linked"}


async def test_what_nobody_was_asked_for_does_not_count(served: Served) -> None:
    served.engine.account, served.engine.opens = None, False
    await served.begin()
    ask = served.commands.request
    for _ in range(7):
        assert await ask("shop", "pairing_code", {"phone": PHONE}, 5) == {"error": "not_connected"}
