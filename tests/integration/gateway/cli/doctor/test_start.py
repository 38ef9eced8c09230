"""`teimoso doctor` while an instance starts: nothing is wrong yet, and it says what to wait for."""

from __future__ import annotations

import os
import signal
import threading
from typing import TYPE_CHECKING, Any

import pytest

from actors.config.sources import resolve_settings
from gateway.cli.doctor.checks.instance import WAIT
from gateway.cli.instance import status as status_command
from gateway.cli.instance.preparation import launch_keeper
from supervision.keeper import process, status_file
from supervision.keeper.lock import DirectoryLock
from supervision.keeper.manifest import Plan
from supervision.keeper.parts.process_specs import PROCESSES
from supervision.reports import process_files
from supervision.reports.process_files import ProcessEntry
from tests.integration.gateway.cli.doctor.examination import API_KEY, begun
from tests.processes.valkey import free_port
from tests.waits import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.integration.gateway.cli.doctor.examination import Examine

NEVER = "import time\ntime.sleep(600)\n"


def prepared(data: Path, *, key: str | None = API_KEY, ray: bool = True) -> None:
    """The files of an instance with the simulator, as `teimoso up` makes them before its keeper."""
    begun(data, key=key)
    settings = resolve_settings(data=data, port=free_port())
    Plan(settings.port, simulate=True, control_port=free_port(), ray=ray).save(data)
    settings.save()


def pids(data: Path) -> dict[str, int]:
    return {entry.role: entry.pid for entry in process_files.read(data, PROCESSES)}


def wrong(findings: dict[str, dict[str, Any]]) -> set[str]:
    return {name for name, one in findings.items() if one["result"] == "fail"}


@pytest.fixture
def slow(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An instance whose Ray and simulator start, and are not ready as long as the test goes on."""
    for library in ("ray", "pywhats"):
        (tmp_path / library).mkdir()
        (tmp_path / library / "__init__.py").write_text(NEVER)
    prepared(data)
    with monkeypatch.context() as changed:
        changed.setenv("PYTHONPATH", str(tmp_path))
        keeper = launch_keeper(data)
    try:
        until("both start", lambda: {"ray", "simulator"} <= pids(data).keys(), 20)
        yield data
    finally:
        keeper.terminate()
        keeper.wait(20)
        for left in process.strays(data):
            process.send(left, signal.SIGKILL)
        until("all of it has ended", lambda: not process.strays(data), 20)


def test_an_instance_that_starts_is_waited_for_until_a_part_falls(
    slow: Path, doctor: Examine, capfd: pytest.CaptureFixture[str]
) -> None:
    status, findings = doctor(slow)
    assert (status, wrong(findings)) == (0, set())
    for check, words in {"instance": "it is starting: ", "ray": "ray is starting"}.items():
        assert (findings[check]["result"], findings[check]["do"]) == ("warn", WAIT)
        assert words in findings[check]["found"]
    assert "gateway does not run" in findings["instance"]["found"]
    # The settings have WhatsApp's own address as yet.
    assert "whatsapp" not in findings
    status_command.run(slow, as_json=False)
    assert "\nstarting:\n" in capfd.readouterr().out

    os.kill(pids(slow)["ray"], signal.SIGKILL)
    until("its fall is known", lambda: any(note.falls for note in status_file.read(slow)), 20)
    status, findings = doctor(slow)
    assert (status, wrong(findings)) == (1, {"instance", "ray"})
    assert "logs/ray.log" in findings["instance"]["do"]
    assert "logs/ray.log" in findings["ray"]["do"]
    status_command.run(slow, as_json=False)
    assert "\nnot ready:\n" in capfd.readouterr().out


def test_a_keeper_that_has_just_begun_is_one_of_this_machine(data: Path, doctor: Examine) -> None:
    prepared(data, ray=False)
    me = ProcessEntry.of("keeper", os.getpid())
    assert me is not None
    listed = threading.Timer(0.5, process_files.write, (data, [me], PROCESSES))
    with DirectoryLock(data):
        listed.start()
        finding = doctor(data)[1]["keeper"]
        listed.join()
    assert (finding["result"], finding["found"]) == ("ok", f"pid {os.getpid()}")


def test_the_first_api_key_is_missing_once_it_runs_alone(data: Path, doctor: Examine) -> None:
    prepared(data, key=None, ray=False)
    finding = doctor(data)[1]["api keys"]
    assert (finding["result"], "makes the first one" in finding["found"]) == ("warn", True)
    me = ProcessEntry.of("keeper", os.getpid())
    assert me is not None
    process_files.write(data, [me], PROCESSES)
    finding = doctor(data)[1]["api keys"]
    assert (finding["result"], "nobody gets in" in finding["found"]) == ("fail", True)
