"""A foreign program that dies before its test begins is started again, twice at most, and counted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from tests.conformance import processes
from tests.conformance.processes import FOREIGN, KINDS, ROOT, Client
from tests.run import restarts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NUMBER = "15550100099"

PROGRAM = """
import json, os, sys, time
from pathlib import Path

directory = Path(json.loads(sys.argv[1])["directory"])
starts, session = directory / "starts", directory / "session"
with starts.open("a") as file:
    file.write("x")
start = starts.stat().st_size
stage, code = dict(enumerate(json.loads((directory / "deaths").read_text()), 1)).get(start, ("", 0))
print(f"this is start {start}", file=sys.stderr, flush=True)

def emit(event, **values):
    print(json.dumps({"event": event, **values}), flush=True)

def reach(name):
    if name == stage:
        os.kill(os.getpid(), -code) if code < 0 else os._exit(code)

reach("start")
if not session.exists():
    emit("qr", qr="1@2")
    reach("qr")
    while not session.exists():
        time.sleep(0.01)
    if stage == "scan":
        session.unlink()
    reach("scan")
reach("login")
emit("connected")
for line in sys.stdin:
    os._exit(json.loads(line)["code"])
"""
"""Each start takes its death, if there is one, from a list: at which stage, by which exit code."""

Start = Callable[..., Client]


class Phone:
    """Stands for a simulator: its one phone scans what a client shows."""

    ws_url = root_key = ""
    media_authority = os.devnull

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.requests: list[str] = []

    def post(self, path: str, **body: Any) -> None:
        self.requests.append(path.rpartition("/")[2])
        if path.endswith("/scan"):
            assert body["qr"] == "1@2"
            (self._directory / "session").touch()

    def account(self, _: str) -> dict[str, Any]:
        return {"online": True}

    def settled(self, _: str) -> None:
        """Nothing waits for an acknowledgement."""


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Starts a client of a kind, whose program dies on command, on the test's directory."""
    for kind in KINDS:
        (tmp_path / f"{kind}_client.py").write_text(PROGRAM)
    monkeypatch.setattr(processes, "CLIENTS", tmp_path)
    monkeypatch.setattr(processes, "interpreter", lambda _: sys.executable)
    clients: list[Client] = []

    def begin(kind: str, *deaths: tuple[str, int]) -> Client:
        (tmp_path / "deaths").write_text(json.dumps(deaths))
        clients.append(Client(kind, Phone(tmp_path), tmp_path))  # type: ignore[arg-type]
        return clients[-1]

    yield begin
    for client in clients:
        client.process.kill()


def counted() -> list[object]:
    """The restarts so far, which are then no part of this run's summary."""
    return [value for _, value in restarts.taken()]


def starts(directory: Path) -> int:
    return len((directory / "starts").read_text())


@pytest.mark.parametrize("kind", FOREIGN)
def test_a_third_death_fails_with_what_it_wrote(tmp_path: Path, start: Start, kind: str) -> None:
    client = start(kind, ("start", 3), ("start", 3), ("qr", -11), ("start", 3))
    with pytest.raises(AssertionError) as failed:
        client.pair(NUMBER)
    assert counted() == [[kind, 3], [kind, 3]]
    assert starts(tmp_path) == 3
    for part in ("ended with -11", "'event': 'qr'", "this is start 3"):
        assert part in str(failed.value)


def test_our_own_is_never_started_again(tmp_path: Path, start: Start) -> None:
    client = start("whatsmeow", ("login", 3))
    with pytest.raises(AssertionError, match="ended with 3"):
        client.pair(NUMBER)
    assert (counted(), starts(tmp_path)) == ([], 1)


def test_one_that_a_test_ended_is_not_counted(tmp_path: Path, start: Start) -> None:
    client = start("tryx")
    client.pair(NUMBER)
    client.process.kill()
    client.attempt(client.prepare)
    assert client.process.terminate() == -signal.SIGTERM
    client.attempt(client.prepare)
    assert (counted(), starts(tmp_path)) == ([], 3)


TESTS = """
import pytest
from tests.unit.run.test_restarts import NUMBER, start

@pytest.fixture
def client(request, start):
    one = start(request.param, *[("login", -11)] * request.node.get_closest_marker("deaths").args[0])
    one.pair(NUMBER)
    return one

@pytest.mark.deaths(2)
@pytest.mark.parametrize("client", ["tryx", "neonize"], indirect=True)
def test_twice(client):
    assert client.process.died() is None

@pytest.mark.deaths(3)
@pytest.mark.parametrize("client", ["tryx"], indirect=True)
def test_thrice(client):
    raise AssertionError("its setup has failed")

@pytest.mark.deaths(0)
@pytest.mark.parametrize("client", ["whatsmeow"], indirect=True)
def test_never(client):
    assert client.process.died() is None
"""


def run(directory: Path, *words: str) -> list[str]:
    """Returns the output of a run of `TESTS`."""
    file = directory / "test_clients.py"
    file.write_text(TESTS)
    ran = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "--import-mode=importlib", "-p", "tests.conftest"),
            *("-p", "no:cacheprovider", "-p", "no:schemathesis", "-p", "no:hypothesispytest"),
            *("-p", "no:warnings", "-c", "/dev/null", "--rootdir", str(directory)),
            *("--basetemp", str(directory / "base"), *words, str(file)),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert ran.returncode in (0, 1), ran.stdout + ran.stderr
    return ran.stdout.splitlines()
