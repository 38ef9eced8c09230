"""A start that cannot be: one sentence, an exit status, and everything as it was before."""

from __future__ import annotations

import ctypes
import json
import os
import resource
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from supervision.keeper import process
from supervision.keeper.manifest import MANIFEST_FILE, Plan
from tests.processes import forked

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[3]
NOBODY = 65_534


def teimoso(
    *words: str | Path, nursery: forked.Nursery | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    environment = {**inherited, **environment}
    command: list[str | bytes | Path] = [sys.executable, "-m", "gateway.cli", *words]
    if not environment.get("PYTHONPATH"):
        return forked.run(command, env=environment, capture_output=True, text=True, nursery=nursery)
    return subprocess.run(
        command,
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def unprivileged() -> Iterator[forked.Nursery]:
    """Forks programs that obey permissions."""
    nursery = forked.Nursery(_without_privileges)
    yield nursery
    nursery.end()


def _without_privileges() -> None:
    """Have root obey permissions: without CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH."""
    libc = ctypes.CDLL(None)
    for capability in (1, 2):
        libc.prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP


def sentence(done: subprocess.CompletedProcess[str], status: int = 1) -> str:
    assert done.returncode == status, done.stdout + done.stderr
    [said] = done.stderr.splitlines()
    assert said.endswith(".")
    return said


def tree(data: Path) -> dict[str, bytes]:
    return {str(file): file.read_bytes() for file in data.rglob("*") if file.is_file()}


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    """A directory that no start makes, and where no process is left."""
    place = tmp_path / "data"
    yield place
    assert process.strays(place) == []


def test_authorities_that_are_not_there(data: Path, tmp_path: Path) -> None:
    nowhere = str(tmp_path / "none.pem")
    said = sentence(teimoso("up", "--detach", "--data", data, SSL_CERT_FILE=nowhere))
    assert said == f"SSL_CERT_FILE, {nowhere}, cannot be read: No such file or directory."
    assert not data.exists()


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"QUEUE_SIZE=1\n", "QUEUE_SIZE"),
        (b"PORT=http\n", "PORT"),
        (b"QUEUE_CONCURRENCY=0\n", "QUEUE_CONCURRENCY"),
        (b"\n\nPORT=8091\nthis is no setting\n", "Line 4"),
        (b"PORT\n", "Line 1"),
        (b"PORT='8091\n", "Line 1"),
        (b"\xff\xfe\x00\x00", "UTF-8"),
    ],
)
def test_a_settings_file(data: Path, tmp_path: Path, content: bytes, named: str) -> None:
    file = tmp_path / "settings"
    file.write_bytes(content)
    assert named in sentence(teimoso("up", "--detach", "--data", data, "--settings", file))
    assert not data.exists()


def test_a_settings_file_that_is_not_there(data: Path, tmp_path: Path) -> None:
    for file in (tmp_path / "nothing", tmp_path):
        said = sentence(teimoso("up", "--detach", "--data", data, "--settings", file))
        assert str(file) in said
    assert not data.exists()


def test_a_settings_file_that_does_not_end(data: Path, tmp_path: Path) -> None:
    """A pipe that nobody writes into, and a device: neither is waited for."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for file in (pipe, Path("/dev/zero"), Path("/dev/null")):
        said = sentence(teimoso("up", "--detach", "--data", data, "--settings", file))
        assert said == f"The settings file {file} is not a regular file."
    assert not data.exists()


def test_the_environment(data: Path) -> None:
    said = sentence(teimoso("up", "--detach", "--data", data, PORT="http"))
    assert "PORT is not valid" in said
    said = sentence(teimoso("up", "--detach", "--data", data, QUEUE_CONCURENCY="3"))
    assert said == "QUEUE_CONCURENCY is not a setting of Teimoso; QUEUE_CONCURRENCY is one."
    said = sentence(teimoso("up", "--detach", "--data", data, REDIS_URL="redis://:hush@[::1"))
    assert "REDIS_URL is not valid" in said
    assert "hush" not in said
    said = sentence(teimoso("up", "--detach", "--data", data, TEIMOSO_API_KEY="short"))
    assert "TEIMOSO_API_KEY" in said
    assert not data.exists()


def test_flags(data: Path) -> None:
    for flags in (("--prot", "1"), ("--port", "99999"), ("--port", "x"), ("--simulat",)):
        done = teimoso("up", "--detach", "--data", data, *flags)
        assert done.returncode == 2
        assert flags[0] in done.stderr
        assert "Traceback" not in done.stderr
    assert not data.exists()


def test_ports_in_use(data: Path) -> None:
    with socket.socket() as somebody:
        somebody.bind(("127.0.0.1", 0))
        somebody.listen(1)
        port = str(somebody.getsockname()[1])
        for flags in (
            ("--port", port),
            ("--simulate", "--port", "0", "--simulator-control-port", port),
        ):
            said = sentence(teimoso("up", "--detach", "--data", data, *flags))
            assert port in said
            assert "in use" in said
    assert not data.exists()


@pytest.mark.parametrize("host", ["203.0.113.1", "999.1.1.1", "", "a" * 70, "no host"])
def test_a_host_that_is_elsewhere(data: Path, host: str) -> None:
    """It is the address that is wrong: to choose another port would not help."""
    said = sentence(teimoso("up", "--detach", "--data", data, TEIMOSO_HOST=host))
    assert said == f"TEIMOSO_HOST is not valid: {host!r} is no address of this machine."
    assert not data.exists()


def test_directories_that_cannot_be_written(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("something")
    for place in (file, file / "below", Path("/proc/teimoso"), Path("/dev/null/teimoso")):
        said = sentence(teimoso("up", "--detach", "--data", place))
        assert str(place) in said
        for command in ("doctor", "status"):
            done = teimoso(command, "--data", place)
            assert done.returncode != 0
            assert "Traceback" not in done.stderr
            assert not done.stderr
    assert file.read_text() == "something"


def test_directories_that_lead_nowhere(tmp_path: Path) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    for command in (("up", "--detach"), ("status",), ("down",)):
        for place in (loop, loop / "data", Path("~nobody-of-this-name/data")):
            said = sentence(teimoso(*command, "--data", place))
            assert str(place) in said


def test_a_full_disk(data: Path) -> None:
    """As the kernel says it: files can be made, and take no byte."""
    # A measurement of coverage could not write, either, and would say so.
    environment = {k: v for k, v in os.environ.items() if k != "COVERAGE_PROCESS_START"}
    done = subprocess.run(
        [sys.executable, "-m", "gateway.cli", "up", "--detach", "--data", data],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)),
    )
    assert f"The data directory {data} cannot be written: " in sentence(done)
    assert not data.exists()


def test_a_directory_of_somebody_else(data: Path, unprivileged: forked.Nursery) -> None:
    data.mkdir()
    before = list(data.iterdir())
    data.chmod(0o555)
    if os.geteuid() == 0:
        os.chown(data, NOBODY, NOBODY)
    for place in (data, data / "below"):
        said = sentence(teimoso("up", "--detach", "--data", place, nursery=unprivileged))
        assert f"The data directory {place} cannot be written" in said
        for command in ("doctor", "status"):
            done = teimoso(command, "--data", place, nursery=unprivileged)
            assert done.returncode != 0
            assert not done.stderr
    assert list(data.iterdir()) == before


@pytest.mark.parametrize("content", ["garbage", "[]", '{"port": "x"}', '{"simulate": true}', "{}"])
def test_a_plan_that_is_garbage(data: Path, content: str) -> None:
    """Nothing is guessed: the ports in it may be those of what runs."""
    data.mkdir()
    (data / MANIFEST_FILE).write_text(content)
    for words in (("up", "--detach"), ("simulate", "phone", "15550100001")):
        assert MANIFEST_FILE in sentence(teimoso(*words, "--data", data))
    seen = teimoso("status", "--json", "--data", data)
    assert seen.returncode == 3
    status = json.loads(seen.stdout)
    assert status["ready"] is False
    assert MANIFEST_FILE in status["missing"][0]
    examined = teimoso("doctor", "--json", "--data", data)
    assert examined.returncode == 1
    assert MANIFEST_FILE in examined.stdout
    assert tree(data) == {str(data / MANIFEST_FILE): content.encode()}


def test_a_plan_from_before_a_field_existed(data: Path) -> None:
    data.mkdir()
    (data / MANIFEST_FILE).write_text('{"port": 8090}')
    assert Plan.load(data) == Plan(8090)


def test_a_state_store_that_is_garbage(data: Path) -> None:
    data.mkdir()
    (data / "state.db").write_bytes(b"no database, and never was one" * 1000)
    before = (data / "state.db").read_bytes()
    assert "state.db" in sentence(teimoso("up", "--detach", "--port", "0", "--data", data))
    assert (data / "state.db").read_bytes() == before
    for words in (("keys", "list"), ("keys", "create", "shop"), ("keys", "revoke", "abc", "--yes")):
        assert "state.db" in sentence(teimoso(*words, "--data", data))


def test_status_when_nothing_runs(data: Path) -> None:
    assert teimoso("status", "--data", data).returncode == 3
    done = teimoso("status", "--json", "--data", data)
    assert done.returncode == 3
    status = json.loads(done.stdout)
    assert (status["ready"], status["processes"]) == (False, [])
    assert not data.exists()


def test_a_doctor_leaves_nothing_behind(data: Path) -> None:
    done = teimoso("doctor", "--json", "--data", data / "a" / "b")
    assert "data directory" in done.stdout
    assert not data.exists()


def test_an_argument_that_is_no_text(data: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "gateway.cli", "status", "--data", os.fsencode(data) + b"\xff"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert sentence(done, 2) == "An argument is not text in UTF-8."
