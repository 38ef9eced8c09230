"""Each way in which WhatsApp ends a connection, on a whole instance: what follows, and who sees it."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from typing import TYPE_CHECKING, Any

import pytest

from actors.config.settings import Settings
from actors.connection.disconnects.causes import Kind
from actors.connection.engine import EngineEvents
from actors.connection.whatsmeow import DATABASE, open_engine
from tests.integration.gateway.receiver import Receiver
from tests.integration.whole.shop import (
    A_LOOK,
    ACCOUNT,
    SHOP,
    alerted,
    arrived,
    becomes,
    fault,
    refused,
    seconds,
    send,
    start,
    struck,
    waits,
)
from tests.waits import until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.processes.instance import Instance

ALERTS = ["alert.raised", "alert.cleared"]

pytestmark = [pytest.mark.timeout(240), pytest.mark.usefixtures("is_open")]


def test_network_backs_off_and_says_when_it_tries_again(instance: Instance) -> None:
    before = instance.connection(SHOP)
    number = refused(instance, 503)
    until("it was refused twice", lambda: struck(instance, number) >= 2 or None, 20)

    def waiting() -> dict[str, Any] | None:
        seen = instance.connection(SHOP)
        return seen if seen["state"] == "reconnecting" and seen["retry_at"] else None

    seen = until("it waits", waiting, 20)
    assert seen["cause"] == "network"
    assert seconds(seen["since"]) < seconds(seen["retry_at"]) < time.time() + 60
    message = send(instance, "while the network is down")
    assert waits(instance, message)
    instance.simulator.delete("/faults")
    after = becomes(instance, "open", None, 60)
    assert (after["epoch"], after["retry_at"]) == (before["epoch"], None)
    until("it is sent", lambda: arrived(instance, "while the network is down") or None, 20)


def copied(file: Path, to: Path) -> None:
    with sqlite3.connect(file) as source, sqlite3.connect(to) as target:
        source.backup(target)
    source.close()
    target.close()


async def test_replaced_does_not_fight_and_is_taken_back_by_a_person(
    instance: Instance, tmp_path: Path
) -> None:
    """G6: the session is used elsewhere; it goes on here only under a fresh lease."""
    before = instance.connection(SHOP)
    settings = Settings.load(instance.data)
    for name in ("session.db", DATABASE):
        copied(settings.sessions / before["incarnation"] / name, tmp_path / name)
    opened = asyncio.Event()

    async def on_open() -> None:
        opened.set()

    other = open_engine(settings, SHOP, 1000, EngineEvents(on_open=on_open), tmp_path)
    running = asyncio.ensure_future(other.run())
    try:
        async with asyncio.timeout(20):
            await opened.wait()
        seen = await asyncio.to_thread(becomes, instance, "failed", "replaced")
        assert (seen["epoch"], seen["retry_at"]) == (before["epoch"], None)
        found = await asyncio.to_thread(alerted, instance, "Another client uses its session")
        assert (found["name"], found["severity"]) == ("connection_failed", "critical")
        message = send(instance, "while it is used elsewhere")
        await asyncio.sleep(6)
        assert not running.done(), "it was thrown out by the old owner"
        assert instance.connection(SHOP)["state"] == "failed"
        assert waits(instance, message)
        start(instance)
        after = await asyncio.to_thread(becomes, instance, "open", None)
        assert after["epoch"] > before["epoch"]
        async with asyncio.timeout(10):
            assert (await running).kind is Kind.REPLACED
    finally:
        await other.close()
        running.cancel()
    until("it is sent", lambda: arrived(instance, "while it is used elsewhere") or None, 20)


@pytest.mark.long
def test_a_temporary_ban_is_waited_out_whatever_dies(instance: Instance) -> None:
    """No login before its end, by no successor; what waits costs no attempt."""
    number = fault(instance, "ban", seconds=60)
    banned = becomes(instance, "reconnecting", "temporarily_banned")
    end, tries = seconds(banned["retry_at"]), struck(instance, number)
    assert 40 < end - time.time() <= 60
    message = send(instance, "while it is banned")
    alerted(instance, "for a time. It logs in again by itself at")

    def still(epoch: int) -> dict[str, Any] | None:
        seen = instance.connection(SHOP)
        same = (seen["cause"], seen["retry_at"]) == ("temporarily_banned", banned["retry_at"])
        return seen if same and seen["epoch"] >= epoch else None

    instance.kill("connection", SHOP)
    until("its successor waits too", lambda: still(banned["epoch"] + 1), 20)
    old = instance.kill("root")
    until("the root is back", lambda: instance.pids("root") - {old} or None, 30)
    # A person who is in a hurry does not change WhatsApp's mind.
    instance.api.post("/api/connections/recover", json={"connection": SHOP}).raise_for_status()
    until("the next one waits too", lambda: still(banned["epoch"] + 2), 20)
    assert struck(instance, number) == tries, "somebody tried to log in"
    assert waits(instance, message)
    killed = instance.kill_everything()
    assert len(killed) > 10
    instance.up()
    if time.time() < end - 2:
        until("it waits after the cold start too", lambda: still(banned["epoch"] + 3), 60)
    opened = becomes(instance, "open", None, 90)
    assert seconds(opened["since"]) >= end
    until("it is sent", lambda: arrived(instance, "while it is banned") or None, 20)
    assert instance.message(message)["attempts"] == 1


def test_locked_stops_until_a_person_says_otherwise(instance: Instance) -> None:
    """The alert is in `health_alerts`, raised and cleared, and a webhook received both."""
    with Receiver() as receiver:
        asked = {"url": receiver.url, "connections": [SHOP], "events": ALERTS}
        hook = instance.api.post("/api/webhooks", json=asked).raise_for_status().json()
        receiver.secrets.append(hook["secret"])
        number = refused(instance, 403)
        becomes(instance, "failed", "locked")
        found = alerted(instance, "WhatsApp locked the account.")
        until("a webhook has the alert", lambda: len(receiver.taken) == 1 or None, 20)
        time.sleep(A_LOOK)
        assert struck(instance, number) == 1
        instance.simulator.delete("/faults")
        assert instance.connection(SHOP)["state"] == "failed"
        start(instance)
        becomes(instance, "open", None)
        until("it has the end of the alert", lambda: len(receiver.taken) == 2 or None, 20)
        instance.api.delete(f"/api/webhooks/{hook['id']}").raise_for_status()
    assert [each["type"] for each in receiver.taken] == ALERTS
    raised, cleared = (each["data"] for each in receiver.taken)
    assert {raised["name"], cleared["name"]} == {found["name"]} == {"connection_failed"}
    listed = instance.api.get("/api/alerts", params={"connection": SHOP, "limit": 1})
    (kept,) = listed.raise_for_status().json()["items"]
    assert (kept["active"], kept["raised_at"]) == (False, found["raised_at"])
    assert kept["cleared_at"] > kept["raised_at"]


def test_outdated_goes_on_once_another_version_is_announced(instance: Instance) -> None:
    number = refused(instance, 405)
    becomes(instance, "failed", "outdated")
    alerted(instance, "set WHATSAPP_VERSION")
    time.sleep(A_LOOK)
    assert struck(instance, number) == 1
    instance.simulator.delete("/faults")
    assert instance.connection(SHOP)["state"] == "failed"
    newer = "2.3000.1999999999"
    told = instance.teimoso("settings", "set", f"WHATSAPP_VERSION={newer}")
    assert told.returncode == 0, told.stderr
    becomes(instance, "open", None)
    assert instance.simulator.get(f"/accounts/{ACCOUNT}").json()["version"] == newer
    told = instance.teimoso("settings", "set", "WHATSAPP_VERSION=")
    assert told.returncode == 0, told.stderr
    fault(instance, "drop")
    until(
        "the version of WhatsApp's page is announced",
        lambda: (
            instance.simulator.get(f"/accounts/{ACCOUNT}").json()["version"]
            == instance.simulator.get("/version").json()["current"]
        ),
        20,
    )
    becomes(instance, "open", None)
