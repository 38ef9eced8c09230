"""Durable accepts over HTTP, beside a bare Starlette that runs one script call for each request.

Both servers are processes of their own on the same Valkey (`appendfsync always`), asked by the
same client in turns: A B B A …, and the medians of the rounds are compared.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.benchmarks.figures import Figure, Figures, median, share, turns
from tests.integration.gateway.served import KEY, Gateway
from tests.processes.instance import until
from tests.processes.valkey import Valkey, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
ROUNDS = int(os.environ.get("ROUNDS", "5"))
SECONDS = 2.0
CLIENTS = 64


@contextmanager
def bare(data: Path) -> Iterator[tuple[int, int]]:
    """The bare server on the settings in `data`: its port and its pid."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, HERE / "bare" / "bare_gateway.py", str(port), str(data)]
    )
    try:
        until("the bare server listens", lambda: _listens(port) or None, 20)
        yield port, process.pid
    finally:
        process.kill()
        process.wait()


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def load(port: int) -> dict[str, float]:
    """One round of the client on this port."""
    words = [str(port), str(CLIENTS), str(SECONDS), KEY]
    done = subprocess.run(
        [sys.executable, HERE / "load" / "http_load.py", *words],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


@pytest.mark.timeout(300)
def test_accepts_over_http(figures: Figures, tmp_path: Path) -> None:
    ours: list[dict[str, float]] = []
    theirs: list[dict[str, float]] = []
    with (
        Valkey(tmp_path / "valkey") as valkey,
        Gateway(tmp_path / "gateway", valkey, rate_limit=100_000_000) as gateway,
    ):
        gateway.api.post("/api/connections", json={"id": "shop"}).raise_for_status()
        assert gateway.process is not None
        with bare(gateway.data) as least:
            servers = ((*least, theirs), (gateway.port, gateway.process.pid, ours))
            for number in range(ROUNDS + 1):
                for port, pid, rounds in turns(number, *servers):
                    with share(pid) as server, share(valkey.pid) as redis:
                        result = load(port)
                    if number:  # the first round warms both up
                        rounds.append(result)
                        result["server"], result["redis"] = server.value, redis.value

    def of(rounds: list[dict[str, float]], name: str) -> float:
        return median([each[name] for each in rounds])

    figures.add(
        Figure(
            "durable accepts over HTTP",
            of(ours, "rate"),
            "/s",
            against=of(theirs, "rate"),
            at_least=0.8,
            remarks={
                "p99": f"{of(ours, 'p99') * 1000:.0f} ms (bare {of(theirs, 'p99') * 1000:.0f})",
                "µs of CPU each": f"{_each(ours):.0f} (bare {_each(theirs):.0f})",
                "client": f"{of(ours, 'cpu'):.0%}",
                "valkey": f"{of(ours, 'redis'):.0%}",
            },
        )
    )


def _each(rounds: list[dict[str, float]]) -> float:
    return median([each["server"] / each["rate"] for each in rounds]) * 1e6
