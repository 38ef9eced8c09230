"""The engine on whatsmeow by the port, beyond the scenarios of the conformance."""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.conformance.processes import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.whatsmeow.conftest import Town
    from tests.integration.whatsmeow.device import Device

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def device(town: Town) -> Iterator[Device]:
    made = town.linked()
    town.goes_on(made)
    yield made
    assert "panic" not in made.log.read_text()


def test_a_program_that_dies_is_started_again(town: Town, device: Device) -> None:
    program = next(one["program"] for one in device.process.seen if one["event"] == "open")
    os.kill(program, signal.SIGKILL)
    ended = device.wait("ended")
    assert (ended["kind"], ended["detail"]) == ("network", "program_died")
    assert device.wait("open")["program"] != program
    town.goes_on(device)


@pytest.mark.skipif(os.geteuid() != 0, reason="root alone reads the slack of others")
def test_timers_of_the_program_may_be_late_by_a_millisecond(device: Device) -> None:
    """Those of all its threads; the actor that starts it goes by the kernel's default."""
    program = next(one["program"] for one in device.process.seen if one["event"] == "open")
    threads = [thread.id for thread in psutil.Process(program).threads()]
    assert len(threads) > 1
    assert {slack(thread) for thread in threads} == {1_000_000}
    assert slack(device.process.pid) == slack(os.getpid())


def slack(thread: int) -> int:
    """Nanoseconds by which timers of a thread may be late."""
    return int(Path(f"/proc/{thread}/timerslack_ns").read_text())


def test_a_pairing_that_fails_shows_another_qr(town: Town) -> None:
    """The program goes on after a phone whose link it cannot confirm; where it dies, another one is started."""
    device = town.made()
    town.simulator.post("/phones", number=town.number)
    ref, noise, identity, _, kind = device.wait("qr")["qr"].split(",")
    (program,) = psutil.Process(device.process.pid).children()
    foreign = ",".join((ref, noise, identity, base64.b64encode(bytes(32)).decode(), kind))
    scanned = town.simulator.http.post(f"/phones/{town.number}/scan", json={"qr": foreign})
    assert not scanned.is_success
    ended = device.wait("ended")
    assert (ended["kind"], ended["detail"]) == ("network", "pairing_failed")
    device.wait("qr")
    assert program.is_running(), "it is the same one"
    program.kill()
    ended = device.wait("ended")
    assert (ended["kind"], ended["detail"]) == ("network", "program_died")
    device.pair(town.number)
    town.goes_on(device)


@pytest.mark.parametrize("kind", ["corrupt", "lose"])
def test_a_frame_that_cannot_be_read_ends_the_login(town: Town, device: Device, kind: str) -> None:
    """Its message comes at the next login, before those that followed it."""
    fault = town.simulator.fault(town.number, kind, count=1)
    texts = [f"{kind} {number}" for number in range(10)]
    for text in texts:
        town.say(text)
    until(lambda: town.simulator.struck(fault) == 1)
    assert device.wait("ended", 15)["kind"] == "network"
    device.wait("open")
    device.until_pending("message", lambda one: bool(one["text"] == texts[-1]))
    town.simulator.settled(town.number)
    pending = [one["text"] for one in device.pending("message")]
    assert [text for text in pending if text in texts] == texts
    town.goes_on(device)


def test_a_message_without_its_ack_holds_up_its_own_chat_only(town: Town) -> None:
    device = town.linked(whatsapp_ack_timeout=4000)
    town.goes_on(device)
    fault = town.simulator.fault(town.number, "withhold_acks", count=1)
    device.begin(town.friend, "no ack")
    behind = device.begin(town.friend, "behind it")
    until(lambda: town.simulator.struck(fault) == 1)
    device.send(f"{town.friend}1", "of another chat")
    assert "behind it" not in town.simulator.texts(town.friend)
    failed = device.wait("failed")
    assert (failed["code"], failed["uncertain"]) == ("ack_timeout", True)
    device.wait("sent", id=behind)
    assert town.simulator.texts(town.friend)[-2:] == ["no ack", "behind it"]


def test_nothing_leaves_after_the_owners_lease(town: Town, device: Device) -> None:
    """The program gets the end of the lease, and sends nothing after it, whether its owner lives or not."""
    device.process.command(do="extend", seconds=0.1)
    device.wait("extended")
    time.sleep(0.2)
    device.begin(town.friend, "too late")
    assert device.wait("failed")["code"] == "not_connected"
    device.process.command(do="extend", seconds=60)
    device.wait("extended")
    town.goes_on(device)
    assert "too late" not in town.simulator.texts(town.friend)


def test_a_device_is_unlinked(town: Town, device: Device) -> None:
    device.process.command(do="logout")
    both = [device.wait(("ended", "logged_out")) for _ in range(2)]
    told = {key: value for one in both for key, value in one.items()}
    assert (told["kind"], told["detail"], told["account"]) == ("logged_out", "asked", None)
    until(lambda: not town.account["devices"])
    device.process.command(do="run")
    assert device.wait("qr")["qr"]


def test_keys_that_are_gone_are_reported_as_an_unlinked_device(town: Town) -> None:
    """As after a crash between setting them aside and noting it: a QR alone would not say why."""
    directory = town.acquainted()
    with closing(sqlite3.connect(directory / "whatsmeow.db")) as keys, keys:
        keys.execute(
            "INSERT INTO teimoso_set_aside (jid, reason, at) SELECT jid, '', 0 FROM whatsmeow_device"
        )
    again = town.made(directory=directory, epoch=2)
    ended = again.wait("ended")
    assert (ended["kind"], ended["detail"]) == ("logged_out", "keys_gone")
    again.process.command(do="run")
    assert again.wait("qr")["qr"]


def test_its_traffic_is_traced_by_the_one_allow_list(town: Town, device: Device) -> None:
    device.process.command(do="trace", on=True)
    assert device.wait("traced")["tracing"]
    town.goes_on(device)
    device.process.command(do="trace", on=False)
    told = device.wait("traced")
    (file,) = device.directory.rglob(told["file"].rpartition("/")[2])
    text = file.read_text()
    tags = {json.loads(line).get("tag") for line in text.splitlines()}
    assert {"message", "receipt", "ack"} <= tags, tags
    assert not [one for one in (town.number, town.friend, "and goes on") if one in text]


def test_its_logins_are_traced(town: Town) -> None:
    """That of a device without an account asks for a pairing; the next one has the account's number, unshown."""
    device = town.linked(whatsapp_trace=True)
    device.process.command(do="trace", on=False)
    (file,) = device.directory.rglob(device.wait("traced")["file"].rpartition("/")[2])
    text = file.read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    logins = [one["payload"] for one in lines if one.get("event") == "login"]
    assert [one["pairing"] for one in logins] == [True, False]
    assert {"19", "5", "6"} <= set(logins[0]["fields"])
    assert logins[1]["lid_db_migrated"] == logins[1]["passive"] == 1
    assert all(re.fullmatch(r"2\.3000\.\d+", one["version"]) for one in logins)
    assert lines[1]["event"] == "login", "it comes before all stanzas"
    assert town.number not in text


def test_nothing_of_people_is_in_its_log(town: Town, device: Device) -> None:
    town.simulator.fault(town.number, "garble")
    town.say("garbled at first")
    device.until_pending("message", lambda one: bool(one["text"] == "garbled at first"))
    device.close()
    logs = [device.log, *device.directory.rglob("*.log")]
    words = "".join(one.read_text(errors="replace") for one in logs)
    assert "program.log" in words
    names = (town.number, town.friend, "garbled at first", "and goes on")
    assert not [one for one in names if one in words]
