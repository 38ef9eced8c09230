"""The recorder of the simulator: whose sockets it records, from when to when, into which file."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from simulator.trace.recorder import MOST_EARLY, Recorder
from simulator.wire.protocol_library import JID, SERVER, Node
from tests import traced
from tests.waits import eventually

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import httpx

    from simulator.server_state import ServerState
    from tests.unit.simulator.device import Device

ROOT = Path(__file__).parents[4]
ACCOUNT, OTHER, FRIEND = "15550100001", "15550100003", "15550100002"
PING = Node("iq", {"id": "1", "to": SERVER, "type": "get", "xmlns": "w:p"})
MARKS = {"zqname", "zqtext", "zqgroup", "zqsubject", "zqfile", ACCOUNT, FRIEND, "zqstatus"}


def file_of(world: ServerState, device: Device) -> Path:
    return Path(str(world.recorder._directory)) / f"{device.number}-{device.device}.jsonl"


async def test_a_client_is_recorded_from_its_pairing_on_and_nothing_that_was_said(
    world: ServerState,
    http: httpx.AsyncClient,
    new_device: Callable[[], Device],
) -> None:
    assert (await http.post("/trace")).json() == {"tracing": True, "files": []}
    await http.post(f"/contacts/{FRIEND}", json={"name": "zqname"})
    device = new_device()
    await device.pair(ACCOUNT)
    to = {"to": ACCOUNT}
    for said in (
        {"text": "zqtext"},
        {"type": "document", "file_name": "zqfile"},
        {"text": "zqtext", "addressing": "lid"},
    ):
        assert (await http.post(f"/contacts/{FRIEND}/say", json=to | said)).is_success
    members = {"subject": "zqsubject", "creator": FRIEND, "participants": [ACCOUNT]}
    group = (await http.post("/groups", json=members)).json()["id"]
    await http.post(f"/contacts/{FRIEND}/say", json={"to": group, "text": "zqgroup"})
    await http.post(f"/contacts/{FRIEND}/status", json=to | {"text": "zqstatus"})
    ids = [str((await device.next("message")).attrs["id"]) for _ in range(4)]
    await device.send(await device.message(FRIEND, "zqtext of mine", "zqid0001"))
    assert (await device.next("ack")).attrs["id"] == "zqid0001"
    await device.close()
    trace = file_of(world, device)
    await eventually("the end is recorded", lambda: "end" in kinds(trace), 10)

    lids = {world.people.named(number).lid.partition("@")[0] for number in (ACCOUNT, FRIEND)}
    keys = {device.signal.identity.public, device.noise.public_key().public_bytes_raw()}
    secrets: set[str | bytes] = {*MARKS, *lids, *keys, *ids, group.partition("@")[0], "zqid"}
    assert not traced.leaks(trace, secrets)
    assert kinds(trace)[0] == "login"
    assert sorted(kinds(trace)[1:4]) == ["in iq", "in iq", "out iq"]
    logins = [line["payload"] for line in traced.lines(trace) if line.get("event") == "login"]
    assert [login["pairing"] for login in logins] == [True, False]
    assert len(traced.stanzas(trace, "in", "message")) == 5  # the keys of the phone are one
    (sent,) = traced.stanzas(trace, "out", "message")
    assert traced.stanzas(trace, "in", "ack", id=sent["attrs"]["id"])
    (described,) = (await http.get("/trace")).json()["files"]
    assert described["file"] == str(trace)
    assert (described["dropped"], described["error"]) == (0, None)
    assert described["lines"] == len(traced.lines(trace))


async def test_an_account_that_is_not_recorded_leaves_no_file(
    world: ServerState, http: httpx.AsyncClient, paired: Callable[[str], Awaitable[Device]]
) -> None:
    silent = await paired(OTHER)
    assert not list(world.recorder._directory.glob("*"))
    assert (await http.post(f"/accounts/{ACCOUNT}/trace")).json()["tracing"]
    recorded = await paired(ACCOUNT)
    await silent.send(PING)
    assert [file.name for file in world.recorder._directory.glob("*")] == [
        f"{ACCOUNT}-{recorded.device}.jsonl"
    ]
    assert not (await http.get(f"/accounts/{OTHER}/trace")).json()["tracing"]
    (trace,) = world.recorder._directory.glob("*")
    assert not (await http.delete(f"/accounts/{ACCOUNT}/trace")).json()["tracing"]
    before = trace.read_text()
    await recorded.query("w:p", "get")
    assert trace.read_text() == before
    await http.post(f"/accounts/{ACCOUNT}/trace")
    await recorded.query("w:p", "get")
    again = trace.read_text().removeprefix(before).splitlines()
    assert '"part":1' in again[0]
    assert len(again) == 3


def test_a_socket_whose_owner_is_unknown_keeps_so_much(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "trace", clock=iter(range(10_000)).__next__)
    socket = recorder.socket()
    socket.received(PING)
    recorder.start(None)
    for _ in range(MOST_EARLY + 5):
        socket.received(PING)
    assert not (tmp_path / "trace").exists()
    socket.identified((ACCOUNT, 1))
    socket.ended("closed")
    recorder.close()
    lines = traced.lines(tmp_path / "trace" / f"{ACCOUNT}-1.jsonl")
    assert len(lines) == MOST_EARLY + 1
    assert [line["at"] for line in lines[:3]] == [0, 1, 2]
    assert lines[-1]["cause"] == ["closed"]


FULL = """
import json, resource, sys
from pathlib import Path
from simulator.trace.recorder import Recorder
from simulator.wire.protocol_library import Node

def room(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))

recorder = Recorder(Path(sys.argv[1]))
recorder.start(None)
socket = recorder.socket()
socket.identified(("1", 1))
socket.sent(Node("ib"))
room(150)
for _ in range(9):
    socket.sent(Node("ib"))
print(json.dumps(recorder.described(None)["files"]))
room(resource.RLIM_INFINITY)
socket.sent(Node("ib"))
print(json.dumps(recorder.described(None)["files"]))
"""


def test_a_full_disk_costs_lines_and_leaves_the_file_whole(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    (full,), (later,) = map(json.loads, ran.stdout.splitlines())
    written = full["lines"]
    assert full["dropped"] == 10 - written > 0
    assert full["error"] in {"ENOSPC", "EFBIG"}
    assert (later["lines"], later["dropped"], later["error"]) == (written + 2, 10 - written, None)
    lines = traced.lines(tmp_path / "1-1.jsonl")
    assert lines[-1]["event"] == "gap"
    assert lines[-1]["dropped"] == 10 - written
    assert len(lines) == written + 2


def kinds(trace: Path) -> list[str]:
    if not trace.exists():
        return []
    return [line.get("event") or f"{line['dir']} {line['tag']}" for line in traced.lines(trace)]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (JID("15550100002", device=3), "s.whatsapp.net:1.3"),
        (JID("900", "lid"), "lid:1"),
        (JID("", "g.us"), "@g.us"),
        ("15550100002:3@s.whatsapp.net", "s.whatsapp.net:1.3"),
        ("zq", "~4"),
        (1790000000, "~16"),
    ],
)
def test_an_address_is_recorded_as_on_the_wire(
    tmp_path: Path, value: object, expected: str
) -> None:
    """The library's text of an address has the device behind a dot."""
    recorder = Recorder(tmp_path)
    recorder.start(None)
    socket = recorder.socket()
    socket.identified((ACCOUNT, 1))
    socket.received(Node("receipt", {"to": value}, "zqzqz"))
    recorder.close()
    (line,) = traced.lines(tmp_path / f"{ACCOUNT}-1.jsonl")
    assert (line["attrs"], line["bytes"]) == ({"to": expected}, "~16")
