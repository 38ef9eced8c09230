"""Each way in which WhatsApp ends a connection, on a whole instance: what follows, and who sees it.

One instance and one connection, ``shop``, serve all of this file; each test leaves it open.
"""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from actors.connection.causes import Kind
from actors.connection.engine import EngineEvents
from actors.connection.native import open_engine
from actors.settings import Settings
from tests.instance import Instance, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.timeout(240)

SHOP, ACCOUNT, CONTACT, STRANGER = "shop", "15550107001", "15550107002", "15550107009"


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEALTH_CHECK_INTERVAL", "500")
        with Instance(tmp_path_factory.mktemp("causes")) as running:
            running.pair(SHOP, ACCOUNT)
            yield running


@pytest.fixture(autouse=True)
def is_open(instance: Instance) -> Iterator[None]:
    becomes(instance, "open", None)
    until("no alert is left", lambda: alert(instance) is None, 20)
    yield
    instance.simulator.delete("/faults")


def becomes(
    instance: Instance, state: str, cause: str | None, seconds: float = 20
) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        seen = instance.connection(SHOP)
        return seen if (seen["state"], seen["cause"]) == (state, cause) else None

    return until(f"{SHOP} is {state}, {cause}", look, seconds)


def alert(instance: Instance) -> dict[str, Any] | None:
    found = instance.api.get("/health").raise_for_status().json()["alerts"]
    return next((each for each in found if each["connection"] == SHOP), None)


def alerted(instance: Instance, words: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        found = alert(instance)
        return found if found is not None and words in found["reason"] else None

    return until(f"an alert says {words!r}", look, 10)


def fault(instance: Instance, kind: str, **more: Any) -> int:
    asked = instance.simulator.post("/faults", json={"account": ACCOUNT, "kind": kind, **more})
    number: int = asked.raise_for_status().json()["id"]
    return number


def refused(instance: Instance, reason: int, **more: Any) -> int:
    """The socket falls, and logins are refused from now on."""
    number = fault(instance, "reject_login", reason=reason, **more)
    fault(instance, "drop")
    return number


def struck(instance: Instance, number: int) -> int:
    items = instance.simulator.get("/faults").raise_for_status().json()["items"]
    [times] = [item["struck"] for item in items if item["id"] == number]
    return int(times)


def send(instance: Instance, text: str) -> str:
    accepted = instance.api.post(
        "/api/messages", json={"connection": SHOP, "to": CONTACT, "text": text}
    )
    assert accepted.status_code == 202, accepted.text
    identity: str = accepted.json()["id"]
    return identity


def arrived(instance: Instance, text: str) -> list[str]:
    """From whom the contact got it."""
    return [item["from"] for item in instance.inbox(CONTACT) if item["text"] == text]


def waits(instance: Instance, message: str) -> bool:
    seen = instance.message(message)
    return (seen["status"], seen["attempts"], seen["error"]) == ("queued", 0, None)


def start(instance: Instance) -> None:
    assert instance.api.post(f"/api/connections/{SHOP}/start").status_code == 202


def scan(instance: Instance, number: str = ACCOUNT) -> str:
    """A phone scans what is shown; the text of the QR."""
    instance.simulator.post("/phones", json={"number": number}).raise_for_status()
    qr = until("a QR is shown", lambda: instance.qr(SHOP), 20)
    instance.simulator.post(f"/phones/{number}/scan", json={"qr": qr}).raise_for_status()
    return qr


def seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()


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


def test_a_connection_that_carries_nothing_is_found_out_and_opened_again(
    instance: Instance,
) -> None:
    """A dead connection is noticed within 30 s; what was sent meanwhile arrives once each."""
    before = instance.connection(SHOP)
    frozen = fault(instance, "freeze")
    texts = ["into the silence", "after it was found out"]
    send(instance, texts[0])
    seen = becomes(instance, "reconnecting", "keepalive", 60)
    assert struck(instance, frozen) >= 1
    assert seen["retry_at"] is not None
    waiting = send(instance, texts[1])
    assert waits(instance, waiting)
    instance.simulator.delete("/faults")
    after = becomes(instance, "open", None, 60)
    assert after["epoch"] == before["epoch"]
    until("both are there", lambda: all(arrived(instance, text) for text in texts) or None, 60)
    assert [arrived(instance, text) for text in texts] == [[ACCOUNT], [ACCOUNT]]


def test_restart_required_reconnects_at_once(instance: Instance) -> None:
    before = instance.connection(SHOP)
    fault(instance, "stream_error", code=515)

    def again() -> dict[str, Any] | None:
        seen = instance.connection(SHOP)
        return seen if seen["state"] == "open" and seen["since"] != before["since"] else None

    after = until("it is open again", again, 10)
    assert after["epoch"] == before["epoch"]


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
    copied(settings.sessions / SHOP / "session.db", tmp_path / "session.db")
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


def test_a_temporary_ban_is_waited_out_whatever_dies(instance: Instance) -> None:
    """No login before its end, by no successor; what waits costs no attempt."""
    number = fault(instance, "ban", seconds=80)
    banned = becomes(instance, "reconnecting", "temporarily_banned")
    end, tries = seconds(banned["retry_at"]), struck(instance, number)
    assert 60 < end - time.time() <= 80
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


def test_banned_stops_until_a_person_says_otherwise(instance: Instance) -> None:
    number = refused(instance, 403)
    becomes(instance, "failed", "banned")
    alerted(instance, "WhatsApp banned the account.")
    time.sleep(4)
    assert struck(instance, number) == 1
    instance.simulator.delete("/faults")
    assert instance.connection(SHOP)["state"] == "failed"
    start(instance)
    becomes(instance, "open", None)


def test_outdated_goes_on_once_another_version_is_announced(instance: Instance) -> None:
    number = refused(instance, 405)
    becomes(instance, "failed", "outdated")
    alerted(instance, "set WHATSAPP_VERSION")
    time.sleep(4)
    assert struck(instance, number) == 1
    instance.simulator.delete("/faults")
    assert instance.connection(SHOP)["state"] == "failed"
    newer = "2.3000.1999999999"
    told = instance.teimoso("settings", "set", f"WHATSAPP_VERSION={newer}")
    assert told.returncode == 0, told.stderr
    becomes(instance, "open", None)
    assert instance.simulator.get(f"/accounts/{ACCOUNT}").json()["version"] == newer


def test_a_session_that_whatsapp_does_not_know_stops(instance: Instance) -> None:
    """Nothing is tried again before a person says so, and no file is moved aside."""
    number = refused(instance, 411)
    becomes(instance, "failed", "bad_session")
    alerted(instance, "or WhatsApp does not take it")
    time.sleep(4)
    assert struck(instance, number) == 1
    message = send(instance, "while the session is unknown")
    assert waits(instance, message)
    assert not (Settings.load(instance.data).sessions / SHOP / "damaged").exists()
    instance.simulator.delete("/faults")
    assert instance.connection(SHOP)["state"] == "failed"
    start(instance)
    becomes(instance, "open", None)
    until("it is sent", lambda: arrived(instance, "while the session is unknown") or None, 20)


def test_logout_is_a_way_out_of_a_session_that_whatsapp_does_not_know(
    instance: Instance,
) -> None:
    """No login is tried for it; what waits goes out after the same number scans, from no other."""
    number = refused(instance, 411)
    failed = becomes(instance, "failed", "bad_session")
    alerted(instance, "logout and start show a QR")
    message = send(instance, "while nothing helps")
    assert instance.api.post(f"/api/connections/{SHOP}/logout").status_code == 202
    out = becomes(instance, "logged_out", "asked")
    assert out["epoch"] == failed["epoch"] + 1
    assert out["account"] == failed["account"]
    assert struck(instance, number) == 1
    time.sleep(4)
    assert instance.connection(SHOP)["epoch"] == out["epoch"]
    instance.simulator.delete("/faults")
    start(instance)
    becomes(instance, "pairing", "logged_out")
    assert waits(instance, message)
    shown = scan(instance, STRANGER)
    becomes(instance, "pairing", "other_account")
    until("another QR", lambda: instance.qr(SHOP) not in {None, shown} or None, 20)
    scan(instance)
    becomes(instance, "open", None)
    until("it is sent", lambda: arrived(instance, "while nothing helps") or None, 20)
    assert arrived(instance, "while nothing helps") == [ACCOUNT]


def test_a_file_where_the_session_belongs_is_left_alone_and_said(instance: Instance) -> None:
    instance.api.post(f"/api/connections/{SHOP}/stop").raise_for_status()
    becomes(instance, "stopped", None)
    directory = Settings.load(instance.data).sessions / SHOP
    elsewhere = directory.with_name("elsewhere")
    directory.rename(elsewhere)
    try:
        directory.write_text("somebody's")
        start(instance)
        failed = becomes(instance, "failed", "session_blocked")
        alerted(instance, "Something else stands where its session belongs")
        time.sleep(4)
        assert instance.connection(SHOP)["epoch"] == failed["epoch"]
        assert directory.read_text() == "somebody's"
    finally:
        directory.unlink()
        elsewhere.rename(directory)
    start(instance)
    becomes(instance, "open", None)


def test_unlinked_it_asks_for_a_qr_and_keeps_the_data(instance: Instance) -> None:
    """What waits goes out after the same number scans, and from no other account."""
    instance.say(CONTACT, ACCOUNT, "before it was unlinked")

    def kept() -> list[str]:
        return [item["text"] for item in instance.messages(connection=SHOP, direction="in")]

    until("it is stored", lambda: "before it was unlinked" in kept() or None, 10)
    fault(instance, "logout")
    becomes(instance, "pairing", "logged_out")
    found = alerted(instance, "The device was unlinked; scan the QR")
    assert (found["name"], found["severity"]) == ("connection_blocked", "critical")
    message = send(instance, "while it is unlinked")
    shown = scan(instance, STRANGER)
    becomes(instance, "pairing", "other_account")
    alerted(instance, "The phone of another number scanned")
    until("another QR", lambda: instance.qr(SHOP) not in {None, shown} or None, 20)
    assert instance.simulator.get(f"/accounts/{STRANGER}").json()["devices"] == []
    assert waits(instance, message)
    scan(instance)
    becomes(instance, "open", None)
    until("it is sent", lambda: arrived(instance, "while it is unlinked") or None, 20)
    assert arrived(instance, "while it is unlinked") == [ACCOUNT]
    assert "before it was unlinked" in kept()


def garbage(file: Path) -> None:
    file.write_bytes(b"no session" * 1000)


def foreign(file: Path) -> None:
    file.unlink()
    with sqlite3.connect(file) as database:
        database.execute("CREATE TABLE somebody (elses TEXT)")
    database.close()


def truncated(file: Path) -> None:
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])


@pytest.mark.parametrize("damage", [garbage, foreign, truncated])
def test_a_damaged_session_is_moved_aside_and_linked_anew(
    instance: Instance, damage: Callable[[Path], None]
) -> None:
    instance.api.post(f"/api/connections/{SHOP}/stop").raise_for_status()
    becomes(instance, "stopped", None)
    message = send(instance, f"after {damage.__name__}")
    directory = Settings.load(instance.data).sessions / SHOP
    for beside in ("session.db-wal", "session.db-shm"):
        (directory / beside).unlink(missing_ok=True)
    damage(directory / "session.db")
    content = (directory / "session.db").read_bytes()
    start(instance)
    shown = becomes(instance, "pairing", "bad_session")
    alerted(instance, "Its session was damaged and moved aside")
    kept = [each.read_bytes() for each in directory.glob("damaged/*/session.db")]
    assert content in kept
    assert waits(instance, message)
    # Whoever serves it next knows as well as the first why a QR is shown.
    instance.kill("connection", SHOP)

    def taken_over() -> bool:
        seen = instance.connection(SHOP)
        why = (seen["state"], seen["cause"]) == ("pairing", "bad_session")
        return why and seen["epoch"] > shown["epoch"]

    until("its successor shows a QR, too", lambda: taken_over() or None, 20)
    scan(instance)
    becomes(instance, "open", None)
    until("it is sent", lambda: arrived(instance, f"after {damage.__name__}") or None, 20)
    shutil.rmtree(directory / "damaged")
