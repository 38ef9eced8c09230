"""Settings changed in the settings file, and in what runs."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from actors.config.settings import InvalidSettings, Settings
from actors.config.sources import resolve_settings
from gateway.cli.commands.settings import SETTINGS_FILE, SettingRefused, change, edited
from supervision.keeper.manifest import Plan
from supervision.keeper.parts.process_specs import PROCESSES
from supervision.reports import process_files
from supervision.reports.process_files import ProcessEntry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NEW = "2.3000.99"


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    names = {str(field.validation_alias) for field in Settings.model_fields.values()}
    for name in names & set(os.environ):
        monkeypatch.delenv(name)


@pytest.fixture
def stopped(tmp_path: Path) -> Path:
    """An instance that does not run."""
    Plan(9000).save(tmp_path)
    resolve_settings(data=tmp_path).save()
    return tmp_path


@pytest.fixture
def running(stopped: Path) -> Iterator[Path]:
    """An instance with a process that lives."""
    (stopped / "run").mkdir()
    environment = {**os.environ, "CPU_THRESHOLD": "70", "LOG_LEVEL": "debug"}
    with subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, env=environment
    ) as child:
        entry = ProcessEntry.of("keeper", child.pid)
        assert entry is not None
        process_files.write(stopped, [entry], PROCESSES)
        yield stopped
        child.kill()


def test_a_running_instance_takes_it_up_and_the_next_start_has_it(running: Path) -> None:
    file = change(running, "WHATSAPP_VERSION", NEW)
    assert Settings.load(running).whatsapp_version == NEW
    plan = Plan.load(running)
    assert plan == Plan(9000, settings_file=str(file))
    assert resolve_settings(file, data=running).whatsapp_version == NEW


def test_who_runs_sees_what_may_change_and_nothing_else(stopped: Path) -> None:
    old = Settings.load(stopped)
    old.model_copy(update={"whatsapp_version": NEW, "max_restarts": 3}).save()
    assert old.current().whatsapp_version == NEW
    assert old.current().max_restarts == old.max_restarts
    (stopped / "runtime.json").write_text("{")
    assert old.current() == old


def test_the_instances_own_file_is_changed(stopped: Path) -> None:
    own = stopped / "own.env"
    own.write_text(f"# ours\nWHATSAPP_VERSION=2.3000.1\nMAX_RESTARTS=3\nWHATSAPP_VERSION={NEW}\n")
    replace(Plan(9000), settings_file=str(own)).save(stopped)
    assert change(stopped, "WHATSAPP_VERSION", "2.3000.5") == own
    assert own.read_text() == "# ours\nWHATSAPP_VERSION=2.3000.5\nMAX_RESTARTS=3\n"
    assert not (stopped / SETTINGS_FILE).exists()


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        pytest.param("WHATSAPP_VERSION", "3", "WHATSAPP_VERSION is not valid", id="bad value"),
        pytest.param("WHATSAPP_VERSIONS", NEW, "is not a setting", id="unknown name"),
        pytest.param("whatsapp_version", NEW, "NAME in capitals", id="not in capitals"),
        pytest.param("WHATSAPP_VERSION", "2.3\n0", "on one line", id="two lines"),
        pytest.param("MAX_RESTARTS", "3", "needs a restart", id="not while it runs"),
        pytest.param("TEIMOSO_DATA", "/srv", "that a file can change", id="where it is itself"),
    ],
)
def test_what_is_refused_changes_nothing(
    running: Path, name: str, value: str, sentence: str
) -> None:
    before = (running / "runtime.json").read_bytes()
    with pytest.raises((SettingRefused, InvalidSettings), match=sentence) as refusal:
        change(running, name, value)
    assert "\n" not in str(refusal.value)
    assert (running / "runtime.json").read_bytes() == before
    assert not (running / SETTINGS_FILE).exists()


@pytest.mark.parametrize("where", ["here", "keeper"])
def test_what_the_environment_says_is_stronger(
    stopped: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    (stopped / "run").mkdir()
    environment = dict(os.environ)
    if where == "here":
        monkeypatch.setenv("WHATSAPP_VERSION", "2.3000.7")
    else:
        environment["WHATSAPP_VERSION"] = "2.3000.7"
    with subprocess.Popen(
        [sys.executable, "-c", "print(flush=True); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        entry = ProcessEntry.of("keeper", child.pid)
        assert entry is not None
        process_files.write(stopped, [entry], PROCESSES)
        try:
            with pytest.raises(SettingRefused, match="environment"):
                change(stopped, "WHATSAPP_VERSION", NEW)
        finally:
            child.kill()
    assert not (stopped / SETTINGS_FILE).exists()


@pytest.mark.parametrize("value", ["plain", "two words", "it's", 'a "b" #c', "back\\slash", ""])
def test_a_value_comes_back_as_it_was_written(tmp_path: Path, value: str) -> None:
    file = tmp_path / "a.env"
    file.write_text(edited("", "REDIS_PASSWORD", value))
    password = resolve_settings(file, data=tmp_path).redis_password
    assert password is not None
    assert password.get_secret_value() == value


def test_the_commands(stopped: Path) -> None:
    def teimoso(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "gateway.cli", "settings", *arguments]
        return subprocess.run(
            [*command, "--data", str(stopped)], capture_output=True, text=True, check=False
        )

    assert teimoso("set", f"WHATSAPP_VERSION={NEW}").returncode == 0
    assert teimoso("set", "REDIS_PASSWORD=secret").returncode == 0
    refused = teimoso("set", "WHATSAPP_VERSION")
    assert refused.returncode == 1
    assert refused.stderr.count("\n") == 1
    shown = teimoso("show", "--json")
    assert shown.returncode == 0
    assert "WHATSAPP_VERSION" in shown.stdout
    assert "secret" not in shown.stdout
