"""`teimoso engine` with two commits of whatsmeow that the module proxy serves: on and back, broken off at each step."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing, contextmanager
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from actors.connection.whatsmeow.program.executable import (
    CHOICE_FILE,
    DATABASE,
    INSTALLED,
    ProgramChoice,
    built,
)
from actors.connection.whatsmeow.program.key_schema import schema_in
from actors.health.engine_look import EngineLook
from gateway.cli.engine import canary
from tests.integration.whole.shop import ACCOUNT, CONTACT, SHOP
from tests.integration.whole.traffic import OTHER, SECOND, Traffic, owners
from tests.processes import forked
from tests.processes.instance import API_KEY, Instance
from tests.waits import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OLDER, PINNED = (
    "v0.0.0-20260919103545-0057a822e79a",
    "v0.0.0-20260921121126-35ae40906e74",
)
"""Two commits with which the program builds; the second one is pinned."""

LIBRARY = "go.mau.fi/whatsmeow"
SECRET = "ab" * 32


@cache
def goes(name: str) -> str:
    """A setting of this host's Go, whose caches make a build of a minute one of seconds."""
    told = subprocess.run(["go", "env", name], check=True, capture_output=True, text=True)
    return told.stdout.strip()


@cache
def served() -> bool:
    """Whether the module proxy of this host serves the older commit."""
    if shutil.which("go") is None:
        return False
    words = ["go", "mod", "download", f"{LIBRARY}@{OLDER}"]
    return subprocess.run(words, cwd="/", check=False, capture_output=True).returncode == 0


pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.skipif(not served(), reason="no Go here, or no proxy with both commits"),
]


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    environment = {
        "HEALTH_CHECK_INTERVAL": "1000",
        "SESSION_ENCRYPTION_KEY": SECRET,
        "GOMODCACHE": goes("GOMODCACHE"),
        "GOCACHE": goes("GOCACHE"),
    }
    with Instance(tmp_path_factory.mktemp("engine") / "data", environment) as running:
        running.pair(SHOP, ACCOUNT)
        running.pair(SECOND, OTHER)
        yield running


@pytest.fixture(autouse=True)
def linked(instance: Instance) -> Iterator[None]:
    """Nobody scans again: each connection is the linked one from the first test to the last."""
    before = accounts(instance)
    yield
    until("all are open", lambda: all(state(instance, each) == "open" for each in before), 60)
    assert accounts(instance) == before
    instance.environment.pop("GOPROXY", None)  # type: ignore[attr-defined]


def accounts(instance: Instance) -> dict[str, tuple[str, str]]:
    found = {each: instance.connection(each) for each in (SHOP, SECOND)}
    return {name: (one["account"], one["incarnation"]) for name, one in found.items()}


def state(instance: Instance, connection: str) -> str:
    return str(instance.connection(connection)["state"])


def engine(instance: Instance, *words: str) -> tuple[int, dict[str, Any], str]:
    done = instance.teimoso("engine", *words, "--json", timeout=200)
    return done.returncode, json.loads(done.stdout or "{}"), done.stderr


def run_by(instance: Instance) -> dict[str, str]:
    """The version of whatsmeow that each connection runs; None is the installed program."""
    return canary.running(instance.data)


def sent(instance: Instance, connection: str, text: str) -> None:
    body = {"connection": connection, "to": CONTACT, "text": text}
    answer = instance.api.post("/api/messages?wait=20", json=body)
    assert answer.status_code == 200, answer.text
    assert [one["text"] for one in instance.inbox(CONTACT)].count(text) == 1


def hears(instance: Instance, connection: str, account: str, text: str) -> None:
    instance.say(CONTACT, account, text)

    def stored() -> bool:
        found = instance.messages(connection=connection, direction="in")
        return [one["text"] for one in found].count(text) == 1

    until(f"{text} is stored once", stored, 20)


@contextmanager
def begun(instance: Instance, *words: str) -> Iterator[subprocess.Popen[str]]:
    """The command, which is killed at the end at the latest."""
    with subprocess.Popen(
        [sys.executable, "-m", "gateway.cli", "engine", *words, "--data", str(instance.data)],
        env={**os.environ, "TEIMOSO_API_KEY": API_KEY, **instance.environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as command:
        try:
            yield command
        finally:
            command.kill()


def killed(command: subprocess.Popen[str]) -> None:
    assert command.poll() is None, f"it ended before: {command.communicate()[1]}"
    command.kill()
    assert command.wait() == -signal.SIGKILL


def watches(instance: Instance, command: subprocess.Popen[str]) -> bool:
    """Whether the command has begun and looks at the canary: its connection is open, by the program that is tried."""
    works = any("engine/lock" in one.path for one in psutil.Process(command.pid).open_files())
    moved = run_by(instance).get(SECOND) == OLDER
    return works and moved and state(instance, SECOND) == "open"


INSTALLED_ONE = "the installed program"


def test_one_and_then_all_move_to_another_commit_and_back(instance: Instance) -> None:
    """Under traffic both ways, first to one commit that the proxy serves and then to the other."""
    traffic = Traffic(instance)
    traffic.start()
    try:
        until("messages flow", lambda: len(traffic.sent) > 4, 20)
        first = ("--connection", SECOND, "--minutes", "0.1")
        status, report, words = engine(instance, "try", "--version", OLDER, *first)
        assert (status, report.get("outcome")) == (0, "moved"), (report, words)
        assert run_by(instance) == dict.fromkeys((SHOP, SECOND), OLDER)
        moved = [step for step in report["steps"] if " runs " in step]
        assert moved == [f"{each} runs {OLDER}" for each in (SECOND, SHOP)]

        # The newest that the proxy names now is newer than the one in use.
        proxy = instance.data.parent / "proxy" / LIBRARY / "@v"
        proxy.mkdir(parents=True, exist_ok=True)
        (proxy / "main.info").write_text(json.dumps({"Version": PINNED}))
        upstream = goes("GOPROXY")
        instance.environment |= {"GOPROXY": f"file://{proxy.parents[2]},{upstream}"}  # type: ignore[operator]
        status, shown, words = engine(instance)
        assert (status, shown["version"], shown["newest"]) == (0, OLDER, PINNED), words
        assert shown["connections"] == dict.fromkeys((SHOP, SECOND), OLDER)
        status, report, words = engine(instance, "try", *first)
        assert (status, report.get("outcome")) == (0, "moved"), (report, words)
        assert run_by(instance) == dict.fromkeys((SHOP, SECOND), PINNED)
        assert built(instance.data, PINNED).exists()
        assert not built(instance.data, OLDER).exists(), "nobody runs it any more"
        assert engine(instance, "try")[1]["outcome"] == "nothing"

        assert engine(instance, "back")[:2] == (
            0,
            {
                "steps": [f"{each} runs {INSTALLED_ONE}" for each in (SECOND, SHOP)],
                "outcome": "returned",
                "reason": None,
            },
        )
        assert run_by(instance) == dict.fromkeys((SHOP, SECOND), INSTALLED_ONE)
    finally:
        traffic.stop()
    traffic.judge()
    assert len(traffic.sent) > 40
    assert traffic.away_together == 0, "one connection at a time"


def test_a_try_that_is_killed_at_each_step_goes_on_or_back(instance: Instance) -> None:
    """`kill -9` of the command with its canary named, moved and watched; of the canary; of everything."""
    words = ("try", "--version", OLDER, "--connection", SECOND)
    second = instance.incarnation(SECOND)
    with begun(instance, *words) as command:
        until("the canary is named", lambda: ProgramChoice.read(instance.data).canary, 100)
        killed(command)
    sent(instance, SECOND, "after the kill of the command")
    hears(instance, SECOND, OTHER, "to the canary")

    with begun(instance, *words) as command:
        until("it watches", partial(watches, instance, command), 60)
        assert engine(instance, "back")[2] == "Another `teimoso engine` is at work here.\n"
        instance.kill("connection", SECOND)
        until(
            "another owner serves it by the same program",
            lambda: state(instance, SECOND) == "open" and run_by(instance).get(SECOND) == OLDER,
            60,
        )
        sent(instance, SECOND, "after the kill of the canary")
        killed(command)
    shown = engine(instance)[1]
    assert shown["canary"] == {"connection": SECOND, "version": OLDER}
    assert shown["connections"] == {SHOP: INSTALLED_ONE, SECOND: OLDER}

    last = {"connection": SECOND, "to": CONTACT, "text": "before the end of all"}
    with begun(instance, *words) as command:
        until("it watches", partial(watches, instance, command), 30)
        assert instance.api.post("/api/messages", json=last).status_code == 202
        assert len(instance.kill_everything(spare=[command.pid])) > 5
        killed(command)
    instance.up()
    instance.ready(60)
    assert ProgramChoice.read(instance.data).of(second) == OLDER
    assert run_by(instance) == {SHOP: INSTALLED_ONE, SECOND: OLDER}
    until(
        "it arrived, once",
        lambda: [one["text"] for one in instance.inbox(CONTACT)].count(last["text"]) == 1,
        30,
    )

    # The choice is taken back, and the command dies before it restarts the canary.
    ProgramChoice().write(instance.data)
    assert engine(instance)[1]["connections"][SECOND] == OLDER
    status, report, errors = engine(instance, "back")
    assert (status, report.get("steps")) == (0, [f"{SECOND} runs {INSTALLED_ONE}"]), errors
    for connection, account in ((SHOP, ACCOUNT), (SECOND, OTHER)):
        sent(instance, connection, f"{connection} is back")
        hears(instance, connection, account, f"to {connection}, which is back")


def test_a_canary_that_proves_nothing_or_ends_returns(instance: Instance) -> None:
    words = ("try", "--version", OLDER, "--connection", SECOND)
    status, report, errors = engine(instance, *words, "--minutes", "0.02")
    reason = f"{SECOND} went back to {INSTALLED_ONE}: nothing was sent or received meanwhile."
    assert (status, errors) == (1, f"{reason}\n")
    assert (report["outcome"], report["reason"]) == ("returned", reason)
    assert run_by(instance) == dict.fromkeys((SHOP, SECOND), INSTALLED_ONE)
    assert engine(instance)[1]["refused"] is None, "silence is no fault"

    with begun(instance, *words) as command:
        until("it watches", partial(watches, instance, command), 100)
        (program,) = psutil.Process(owners(instance)[SECOND]).children()
        program.kill()
        _, errors = command.communicate(timeout=60)
    assert command.returncode == 1
    assert errors == f"{SECOND} went back to {INSTALLED_ONE}: its program died.\n"
    assert engine(instance)[1]["refused"] == OLDER
    assert run_by(instance) == dict.fromkeys((SHOP, SECOND), INSTALLED_ONE)
    sent(instance, SECOND, "after the end of its program")


def test_a_newer_schema_is_noticed_before_a_store_is_opened(instance: Instance) -> None:
    """And it is asked about: keys of a former schema stay as they are without consent."""
    instance.api.post(f"/api/connections/{SECOND}/stop").raise_for_status()
    until("it stopped", lambda: SECOND not in owners(instance), 30)
    keys = instance.data / "sessions" / instance.incarnation(SECOND) / DATABASE
    with closing(sqlite3.connect(keys)) as store, store:
        store.execute("ALTER TABLE whatsmeow_device DROP COLUMN companion_meta_nonce")
        store.execute("UPDATE whatsmeow_version SET version = 14")
    before = schema_in(keys)
    words = ("try", "--version", OLDER, "--connection", SHOP, "--minutes", "0.02")
    status, _, errors = engine(instance, *words)
    change = f"The keys of {SECOND} would change to schema 15, which goes only forward"
    assert (status, errors) == (1, f"{change}. Nothing was done: --migrate does it.\n")
    assert schema_in(keys) == before == (14, 8)
    assert ProgramChoice.read(instance.data).canary is None
    assert run_by(instance) == {SHOP: INSTALLED_ONE}

    report = engine(instance, *words, "--migrate")[1]
    assert f"{SHOP} runs {OLDER}" in report["steps"]
    instance.api.post(f"/api/connections/{SECOND}/start").raise_for_status()
    until("it is open", lambda: state(instance, SECOND) == "open", 60)
    assert schema_in(keys) == (15, 8)


def test_keys_that_the_former_program_cannot_read_do_not_go_back(instance: Instance) -> None:
    """The library says which program the keys take at least; a canary that changed them stays where it is."""
    with begun(instance, "try", "--version", OLDER, "--connection", SECOND) as command:
        until("it watches", partial(watches, instance, command), 100)
        killed(command)
    keys = instance.data / "sessions" / instance.incarnation(SECOND) / DATABASE
    with closing(sqlite3.connect(keys, timeout=20)) as store, store:
        store.execute("UPDATE whatsmeow_version SET version = 99, compat = 99")
    try:
        status, _, errors = engine(instance, "back")
        assert (status, errors) == (
            1,
            f"The keys of {SECOND} have schema 99, and {INSTALLED_ONE} has 15: they go only forward.\n",
        )
        assert ProgramChoice.read(instance.data).candidate == OLDER
        assert run_by(instance)[SECOND] == OLDER
    finally:
        with closing(sqlite3.connect(keys, timeout=20)) as store, store:
            store.execute("UPDATE whatsmeow_version SET version = 15, compat = 8")
    assert engine(instance, "back")[0] == 0


def test_a_build_knows_nothing_of_the_instance(instance: Instance, tmp_path: Path) -> None:
    """Neither its directory nor a secret is in the environment, the arguments or the folder of any call of Go."""
    calls, go = tmp_path / "calls", tmp_path / "go"
    go.write_text(f'#!/bin/sh\n(env; pwd; echo "$@") >>{calls}\nexec {shutil.which("go")} "$@"\n')
    go.chmod(0o755)
    instance.environment |= {"GO": str(go), "TEIMOSO_DATA": str(instance.data)}  # type: ignore[operator]
    try:
        report = engine(instance, "try", "--version", OLDER, "--minutes", "0")[1]
    finally:
        for name in ("GO", "TEIMOSO_DATA"):
            instance.environment.pop(name)  # type: ignore[attr-defined]
    assert report["outcome"] == "returned"
    written = calls.read_text()
    assert "\nbuild -v -mod=readonly" in written
    assert "\nmod verify" in written
    for hidden in (str(instance.data), SECRET, API_KEY, "TEIMOSO", "SESSION_ENCRYPTION_KEY"):
        assert hidden not in written


def test_a_look_that_is_refused_says_so(instance: Instance) -> None:
    """By the command, by the doctor and by the alert; it is not `nothing newer`."""
    instance.environment |= {"GOPROXY": "off"}  # type: ignore[operator]
    status, shown, _ = engine(instance)
    assert (status, shown["newest"]) == (1, None)
    assert "GOPROXY=off" in shown["newest_unknown"]
    status, _, errors = engine(instance, "try")
    assert status == 1
    assert errors.startswith("Nobody here can know the newest commit: ")
    assert "GOPROXY=off" in errors
    old = "nobody here can know whether there is a newer one"
    doctor = json.loads(instance.teimoso("doctor", "--json").stdout)["findings"]
    (found,) = (one for one in doctor if one["check"] == "whatsmeow")
    assert found["result"] == "warn"
    assert old in found["found"]

    def alerted() -> bool:
        found = instance.api.get("/api/alerts?active=true").raise_for_status().json()["items"]
        return any(one["name"] == "engine_old" and old in one["reason"] for one in found)

    until("the alert says so, too", alerted, 20)


def test_the_keeper_has_a_newer_one_tried(tmp_path: Path) -> None:
    """Where the settings say so, and also on a simulator; a look that is refused is in the log, and in the last look."""
    environment = {"ENGINE_UPDATES": "canary", "GOPROXY": "off"}
    with Instance(tmp_path / "data", environment) as running:
        log = running.data / "logs/engine.log"
        until("it ran", lambda: log.exists() and "Nobody here can know" in log.read_text(), 90)
        look = EngineLook.read(running.data)
        assert look is not None
        assert "GOPROXY=off" in str(look.unknown)


def test_several_hosts_are_refused(tmp_path: Path) -> None:
    settings = tmp_path / "data"
    settings.mkdir()
    (settings / "instance.json").write_text(json.dumps({"port": 8090, "ray": False}))
    command = [sys.executable, "-m", "gateway.cli", "engine", "back", "--data", str(settings)]
    done = forked.run(command, env=dict(os.environ), capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr.startswith("This instance has several hosts, and each needs its program")


def test_another_installed_program_ends_a_choice(instance: Instance) -> None:
    """Teimoso of another release brings another program, and a program that was built before speaks another protocol."""
    file = instance.data / CHOICE_FILE
    ProgramChoice(version=OLDER).write(instance.data)
    assert ProgramChoice.read(instance.data).version == OLDER
    stored = json.loads(file.read_text())
    size = INSTALLED.stat().st_size
    assert stored["stamp"].startswith(f"{size}-")
    file.write_text(json.dumps(stored | {"stamp": f"{size + 1}-0"}))
    assert ProgramChoice.read(instance.data) == ProgramChoice()
    file.unlink()
