"""`teimoso doctor` and the machine: each mistake is made for real, and is a finding that says what to do."""

from __future__ import annotations

import os
import resource
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import certifi
import psutil
import pytest

from supervision.keeper.manifest import Plan
from tests.clocks import believe_clock
from tests.integration.gateway.cli.doctor.examination import apart, begun, failed
from tests.processes.valkey import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.gateway.cli.doctor.examination import Examine


def test_the_port_is_taken(data: Path, doctor: Examine) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        do = failed(doctor(data, PORT=port), "port", f"127.0.0.1:{port} is in use")
    assert "--port" in do


def test_the_data_are_in_memory(doctor: Examine) -> None:
    if not Path("/dev/shm").is_dir():
        pytest.skip("there is no /dev/shm here")
    with tempfile.TemporaryDirectory(dir="/dev/shm") as place:
        do = failed(doctor(Path(place)), "data directory", "is gone when the machine restarts")
    assert "disk" in do


def test_there_is_no_room(tmp_path: Path) -> None:
    """A small disk, and a small /dev/shm as containers have it."""
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("mounting a small tmpfs needs root and unshare")
    mount = 'mount -t tmpfs -o size=16M tmpfs /dev/shm && mkdir /dev/shm/data && exec "$@"'
    under = ("unshare", "-m", "sh", "-c", mount, "sh")
    if subprocess.run([*under, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this container may not mount")
    status, findings = apart(Path("/dev/shm/data"), *under)
    assert status == 1
    assert findings["disk"]["result"] == findings["data directory"]["result"] == "fail"
    # An inode that is in use takes its share of the room.
    assert "15 MiB free" in findings["disk"]["found"]
    assert findings["shared memory"]["result"] == "warn"
    assert "--shm-size" in findings["shared memory"]["do"]


def test_a_process_may_open_too_few_files(data: Path, doctor: Examine) -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    few = max(256, psutil.Process().num_fds() + 100)  # the process of the tests has some
    resource.setrlimit(resource.RLIMIT_NOFILE, (few, before[1]))
    try:
        do = failed(doctor(data), "open files", f"a process may have {few}")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert "ulimit -n" in do


def test_another_ray_is_in_the_way(
    data: Path, tmp_path: Path, doctor: Examine, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    (other / "ray-2.9.0.dist-info").mkdir(parents=True)
    (other / "ray-2.9.0.dist-info" / "METADATA").write_text("Name: ray\nVersion: 2.9.0\n")
    monkeypatch.syspath_prepend(str(other))
    assert "make setup" in failed(doctor(data), "ray version", "2.9.0")


@contextmanager
def dated(date: str) -> Iterator[int]:
    """A server that answers one request, and believes that it is `date`."""
    answer = f"HTTP/1.1 426 Upgrade Required\r\nDate: {date}\r\nContent-Length: 0\r\n\r\n"
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            client, _ = server.accept()
            with client:
                client.recv(4096)
                client.sendall(answer.encode())

        serving = threading.Thread(target=serve)
        serving.start()
        yield server.getsockname()[1]
        serving.join(10)
        assert not serving.is_alive(), "nobody asked"


def test_the_clock_is_not_that_of_whatsapp(data: Path, doctor: Examine) -> None:
    Plan(free_port()).save(data)
    with dated("Tue, 26 Nov 2024 10:00:00 GMT") as port:
        examined = doctor(data, WHATSAPP_URL=f"ws://127.0.0.1:{port}/ws/chat")
    assert failed(examined, "whatsapp clock", "ahead of theirs")


def test_the_clock_jumped_ahead(data: Path, doctor: Examine) -> None:
    """Or the machine was off: a day of it is too short for a month."""
    believe_clock(data, time.time() - 30 * 86_400)
    _, findings = doctor(data)
    assert findings["clock"]["result"] == "warn"
    assert "720 hours ahead" in findings["clock"]["found"]
    believe_clock(data)
    assert doctor(data)[1]["clock"]["result"] == "ok"


def test_the_authorities_cannot_be_read(data: Path, tmp_path: Path, doctor: Examine) -> None:
    begun(data)
    nowhere = tmp_path / "none.pem"
    do = failed(doctor(data, SSL_CERT_FILE=nowhere), "authorities", "SSL_CERT_FILE")
    assert "PEM" in do
    shutil.copy(certifi.where(), nowhere)
    found = doctor(data, SSL_CERT_FILE=nowhere)[1]["authorities"]
    assert (found["result"], found["found"]) == ("ok", f"those of {nowhere}")
    assert doctor(data, SSL_CERT_FILE="")[1]["authorities"]["found"] == "the public ones"
