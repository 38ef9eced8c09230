"""Versions: refusals, announced ends, and the page with the current one."""

from __future__ import annotations

import asyncio
import re
import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from simulator.server.rules.properties import Properties
from simulator.server.rules.versions import CURRENT, VersionError, Versions
from simulator.store import Store
from simulator.wire.protocol_library import ClientPayload
from tests.plain_http import NO_AUTHORITIES
from tests.unit.simulator.device import announce
from tests.waits import eventually

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from simulator.server_state import ServerState
    from tests.unit.simulator.device import Device

NUMBER = "15550100001"
OLD, NEW = "2.3000.1040000000", "2.3000.1050000000"
PAST, FUTURE = 1.0, 4_000_000_000.0
BROWSER = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64)", "Sec-Fetch-Site": "none"}
# how each client finds it: whatsmeow, update.go; Baileys, generics.ts; whatsapp-rust, version.rs
READERS = [
    ("/", r'"client_revision":(\d+),'),
    ("/sw.js", r'\\?"client_revision\\?":\s*(\d+)'),
    ("/sw.js", r"client_revision\D*?(\d+)"),
]


def payload(version: str) -> Any:
    made = ClientPayload()
    announce(made, version)
    return made


@pytest.mark.parametrize(
    ("changes", "refused", "told"),
    [
        ({}, False, False),
        ({"oldest": OLD}, False, False),
        ({"oldest": NEW}, True, False),
        ({"oldest": "2.3000.999999999"}, False, False),  # numbers, not words
        ({"oldest": NEW, "current": NEW}, True, False),
        ({"current": NEW, "ends": FUTURE}, False, True),
        ({"current": NEW, "ends": PAST}, True, True),
        ({"current": OLD, "ends": PAST}, False, False),
    ],
)
def test_which_versions_are_refused_and_which_end(
    tmp_path: Path, changes: dict[str, Any], refused: bool, told: bool
) -> None:
    store = Store(tmp_path / "simulator.db")
    Versions(store, Properties(store)).change({"oldest": None, **changes})
    store.close()
    store = Store(tmp_path / "simulator.db")
    versions = Versions(store, Properties(store))
    failure, announcement = (
        versions.refusal(payload(OLD)),
        versions.announcement(payload(OLD)),
    )
    assert (failure is not None, announcement is not None) == (refused, told)
    if failure is not None:
        assert (failure.tag, failure.attrs["reason"]) == ("failure", "405")
    if announcement is not None:
        assert announcement.get_child("client_expiration").attrs == {"t": str(int(changes["ends"]))}
    assert versions.described()["refused"] == int(refused)
    store.close()


@pytest.mark.parametrize(
    "changes", [{"current": None}, {"oldest": "x"}, {"ends": "soon"}, {"ends": True}, {"smell": 1}]
)
def test_a_change_that_makes_no_sense_changes_nothing(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    store = Store(tmp_path / "simulator.db")
    versions = Versions(store, Properties(store))
    before = versions.described()
    with pytest.raises(VersionError):
        versions.change({"current": OLD, **changes} if "current" not in changes else changes)
    assert versions.described() == before
    store.close()


@pytest.mark.parametrize(
    ("version", "refused"),
    [
        (CURRENT, False),
        ("2.3000.1047769893", False),  # whatsmeow's of September
        ("2.3000.1045649367", True),  # … and of August
        ("2.3000.1035194821", True),  # Baileys' of May
        ("2.2500.1999999999", True),
    ],
)
async def test_a_version_of_some_weeks_ago_is_refused(
    world: ServerState, version: str, refused: bool
) -> None:
    assert (world.versions.refusal(payload(version)) is not None) == refused


async def test_an_old_client_neither_registers_nor_logs_in(
    world: ServerState,
    new_device: Callable[[], Device],
    paired: Callable[[str], Awaitable[Device]],
) -> None:
    device = await paired(NUMBER)
    await device.close()
    world.versions.change({"oldest": NEW})
    device.version = OLD
    refused = await device.login()
    assert (refused.tag, refused.attrs["reason"]) == ("failure", "405")
    await device.closed()
    stranger = new_device()
    stranger.version = OLD
    registering = asyncio.create_task(stranger.register())
    with pytest.raises(Exception, match=r"1000|1001|no close frame"):
        await registering
    assert world.versions.described()["refused"] == 2
    device.version = NEW
    assert (await device.login()).tag == "success"


async def test_an_end_is_announced_after_the_login(
    world: ServerState, paired: Callable[[str], Awaitable[Device]]
) -> None:
    device = await paired(NUMBER)
    await device.close()
    ends = int(time.time()) + 86_400
    device.version = OLD
    world.versions.change({"current": NEW, "ends": ends, "oldest": None})
    assert (await device.login()).tag == "success"
    while (child := (await device.next("ib")).get_child("client_expiration")) is None:
        pass
    assert child.attrs == {"t": str(ends)}


async def page(
    device: Device, path: str, seconds: float = 5.0, headers: dict[str, str] | None = None
) -> httpx.Response:
    base = device.ws_url.replace("ws://", "http://").removesuffix("/ws/chat")
    async with httpx.AsyncClient(verify=NO_AUTHORITIES, timeout=seconds) as http:
        return await http.get(base + path, headers=headers or BROWSER)


@pytest.mark.parametrize(("path", "pattern"), READERS)
async def test_the_page_has_the_current_version(
    world: ServerState, new_device: Callable[[], Device], path: str, pattern: str
) -> None:
    for version in (CURRENT, OLD):
        world.versions.change({"current": version})
        answer = await page(new_device(), path)
        assert answer.status_code == 200
        found = re.search(pattern, answer.text)
        assert found is not None
        assert f"2.3000.{found[1]}" == version
    assert world.web_page.requests == 2


@pytest.mark.parametrize(
    "headers", [{"User-Agent": "Python-urllib/3.11"}, {"User-Agent": BROWSER["User-Agent"]}]
)
async def test_the_page_is_for_browsers(
    new_device: Callable[[], Device], headers: dict[str, str]
) -> None:
    answer = await page(new_device(), "/sw.js", headers=headers)
    assert (answer.status_code, "client_revision" in answer.text) == (400, False)


async def test_a_page_that_fails_and_one_that_is_silent(
    world: ServerState, new_device: Callable[[], Device]
) -> None:
    device = new_device()
    fails = world.faults.request({"kind": "page_fails", "count": 1})
    assert (await page(device, "/sw.js")).status_code == 503
    silent = world.faults.request({"kind": "page_silent", "count": 1})
    with pytest.raises(httpx.ReadTimeout):
        await page(device, "/sw.js", seconds=0.3)
    assert (fails.struck, silent.struck) == (1, 1)
    assert (await page(device, "/sw.js")).status_code == 200


async def test_a_silent_page_holds_up_no_end(
    world: ServerState, new_device: Callable[[], Device]
) -> None:
    device = new_device()
    fault = world.faults.request({"kind": "page_silent"})
    asking = asyncio.create_task(page(device, "/"))
    await eventually("the page is asked for", lambda: fault.struck, 5)
    world.web_page.close()
    with pytest.raises(httpx.RemoteProtocolError):
        await asking
