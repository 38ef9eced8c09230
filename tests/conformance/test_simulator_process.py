"""The simulator as a process: it says when it is ready, ends in order, and forgets nothing."""

from __future__ import annotations

import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import httpx

from tests.conformance.processes import ROOT, Client, Simulator, until

if TYPE_CHECKING:
    from pathlib import Path

ACCOUNT, FRIEND = "15550100001", "15550100002"


def test_ends_in_order_on_request(tmp_path: Path) -> None:
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
    """Acknowledged messages survive the kill, and come to the client once."""
    simulator = Simulator(tmp_path / "data")
    client = Client("neonize", simulator, tmp_path)
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


def test_killed_it_knows_every_device_and_what_was_lost(tmp_path: Path) -> None:
    """Rules and properties are state, too: they survive `kill -9`."""
    simulator = Simulator(tmp_path / "data")
    client = Client("neonize", simulator, tmp_path)
    paths = (
        "/",
        f"/contacts/{FRIEND}",
        f"/contacts/{FRIEND}/inbox",
        f"/contacts/{FRIEND}/said",
        f"/phones/{ACCOUNT}/inbox",
        f"/accounts/{ACCOUNT}",
    )
    try:
        client.pair(ACCOUNT)
        device = simulator.post(f"/contacts/{FRIEND}/devices", notify=False)["device"]
        simulator.say(FRIEND, ACCOUNT, "from the desk", device=device)
        assert client.wait("message")["text"] == "from the desk"
        client.send(FRIEND, "to both")
        until(lambda: [item["devices"] for item in simulator.inbox(FRIEND)] == [[0, device]])
        simulator.post("/faults", account=ACCOUNT, kind="garble", count=1)
        simulator.say(FRIEND, ACCOUNT, "not read at first")
        assert client.wait("message")["text"] == "not read at first"
        simulator.settled(ACCOUNT)
        client.process.kill()
        until(lambda: not simulator.account(ACCOUNT)["online"])

        simulator.post("/rotate")
        simulator.post(f"/contacts/{FRIEND}/addressing", mode="lid")
        simulator.post(f"/contacts/{FRIEND}/forget", account=ACCOUNT)
        simulator.post(f"/contacts/{FRIEND}", prekeys=3)
        gone = simulator.post(f"/contacts/{FRIEND}/devices")["device"]
        assert simulator.http.delete(f"/contacts/{FRIEND}/devices/{gone}").is_success
        simulator.post(f"/accounts/{ACCOUNT}/prekeys", keep=2)
        simulator.say(FRIEND, ACCOUNT, "before the kill", device=device)
        before = [simulator.http.get(path).json() for path in paths]
        simulator.process.kill()
        simulator.http.close()
        simulator.start()
        after = [simulator.http.get(path).json() for path in paths]
        pid = before[0].pop("pid")
        assert after[0].pop("pid") != pid
        assert after == before
        assert [one["device"] for one in after[1]["devices"]] == [0, device]
        assert after[-1]["retries"] == 1
        assert after[-1]["unacknowledged"] >= 4, "a message, two device changes, a prekey count"

        client.start()
        assert client.wait("message")["text"] == "before the kill"
        simulator.settled(ACCOUNT)
        client.send(FRIEND, "after the kill")
        until(lambda: [item["devices"] for item in simulator.inbox(FRIEND)][1:] == [[0, device]])
        # whatsmeow tops up by 50 when it hears the count
        until(lambda: simulator.account(ACCOUNT)["prekeys"] >= 50)
    finally:
        client.process.kill()
        simulator.kill()
