"""The simulator as a process: it says when it is ready, ends in order, and forgets nothing."""

from __future__ import annotations

import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import httpx

from tests.conformance.processes import ROOT, Neonize, Simulator

if TYPE_CHECKING:
    from pathlib import Path

ACCOUNT, FRIEND = "15550100001", "15550100002"


def test_ends_in_order_when_told_to(tmp_path: Path) -> None:
    simulator = Simulator(tmp_path / "data")
    try:
        assert simulator.http.get("/").json()["root_key"] == simulator.root_key
        simulator.http.close()
        assert simulator.process.terminate() == 0
    finally:
        simulator.kill()
    assert '"action": "stopped"' in (tmp_path / "data.log").read_text()


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ended = subprocess.run(
            [
                *(sys.executable, "-m", "simulator", "--port", str(port)),
                *("--control-port", "0", "--data", str(tmp_path / "data")),
            ],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
    assert ended.returncode == 1
    assert ended.stderr.startswith("simulator: ")
    assert "Traceback" not in ended.stderr


def test_killed_while_contacts_speak(tmp_path: Path) -> None:
    """What was answered before the kill is there after it, and comes to the client once."""
    simulator = Simulator(tmp_path / "data")
    client = Neonize(simulator, tmp_path)
    try:
        client.pair(ACCOUNT)
        client.process.kill()
        answered: list[str] = []

        def speak(number: int) -> None:
            text = f"text {number}"
            try:
                simulator.say(FRIEND, ACCOUNT, text)
            except httpx.TransportError:
                return
            answered.append(text)
            if len(answered) == 60:
                simulator.process.kill()

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(speak, range(150)))
        assert 60 <= len(answered) < 150, "the kill must have fallen amid the calls"

        simulator.http.close()
        simulator.start()
        client.start()
        arrived: list[str] = []
        while not set(answered) <= set(arrived):
            arrived.append(client.wait("message")["text"])
        simulator.settled(ACCOUNT)
        assert len(arrived) == len(set(arrived))
    finally:
        client.process.kill()
        simulator.kill()
