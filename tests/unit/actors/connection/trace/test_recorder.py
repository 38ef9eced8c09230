"""The file of a trace: whole lines for the owner alone, bounded, and nobody waits for it."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from actors.connection.disconnects.causes import Cause, Kind
from actors.connection.trace import trace_writer
from actors.connection.trace.recorder import Recorder
from actors.connection.trace.trace_file import OLDER, TraceFile, older
from tests.unit.actors.connection.trace.stanzas import Made
from tests.waits import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ROOT = Path(__file__).parents[5]
PING = Made("iq", {"id": "1", "to": "s.whatsapp.net", "type": "get", "xmlns": "w:p"})


@pytest.fixture
async def recorder(tmp_path: Path) -> AsyncIterator[Recorder]:
    made = Recorder(tmp_path / "logs" / "trace" / "shop.jsonl", "whatsmeow")
    yield made
    await made.stop()


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


async def test_what_passes_is_recorded_from_start_to_stop(
    recorder: Recorder, tmp_path: Path
) -> None:
    file = tmp_path / "logs" / "trace" / "shop.jsonl"
    recorder.sent(PING, 1)
    assert not file.exists()
    recorder.start()
    recorder.login(b"\x18\x01")
    recorder.sent(PING, 1)
    recorder.sent(PING, 1)
    recorder.received(Made("iq", {"id": "1", "from": "s.whatsapp.net", "type": "result"}), 20)
    recorder.ended(Cause(Kind.NETWORK, "close_1006"))
    await recorder.stop()
    recorder.sent(PING, 1)
    head, login, *stanzas, end = lines(file)
    assert (head["trace"], head["by"], head["part"]) == (1, "whatsmeow", 1)
    assert login["payload"] == {"passive": 1, "pairing": False, "fields": ["3"]}
    assert [(line["dir"], line["attrs"]["id"]) for line in stanzas] == [
        *(("out", "#1"), ("out", "#1"), ("in", "#1"))
    ]
    assert (end["event"], end["cause"]) == ("end", ["network", "close_1006"])
    assert sorted(line["at"] for line in (login, *stanzas, end)) == [
        line["at"] for line in (login, *stanzas, end)
    ]
    assert recorder.status() == {
        "tracing": False,
        "file": "logs/trace/shop.jsonl",
        "lines": 5,
        "dropped": 0,
        "error": None,
    }


async def test_a_second_trace_stands_behind_the_first(recorder: Recorder, tmp_path: Path) -> None:
    for _ in range(2):
        recorder.start()
        recorder.start()
        recorder.received(Made("message", {"id": "A"}), 5)
        await recorder.stop()
    found = lines(tmp_path / "logs" / "trace" / "shop.jsonl")
    assert [line.get("part") or line["attrs"]["id"] for line in found] == [1, "#1", 1, "#1"]


async def test_lines_are_there_soon_while_it_records(recorder: Recorder, tmp_path: Path) -> None:
    recorder.start()
    recorder.sent(PING, 1)
    file = tmp_path / "logs" / "trace" / "shop.jsonl"
    await eventually("it is written", lambda: file.exists() and len(lines(file)) == 2, 10)
    assert recorder.status()["tracing"]


async def test_the_file_is_for_its_owner_alone(recorder: Recorder, tmp_path: Path) -> None:
    directory = tmp_path / "logs" / "trace"
    directory.mkdir(parents=True, mode=0o700)
    file = directory / "shop.jsonl"
    file.touch()
    file.chmod(0o666)
    before = os.umask(0)
    try:
        recorder.start()
        recorder.sent(PING, 1)
        await recorder.stop()
        assert file.stat().st_mode & 0o777 == 0o600
        file.unlink()
        directory.rmdir()
        recorder.start()
        recorder.sent(PING, 1)
        await recorder.stop()
    finally:
        os.umask(before)
    assert file.stat().st_mode & 0o777 == 0o600
    assert directory.stat().st_mode & 0o777 == 0o700


def test_files_have_a_bound_and_only_so_many_are_kept(tmp_path: Path) -> None:
    path, most = tmp_path / "shop.jsonl", 4000
    file = TraceFile(path, "whatsmeow", most)
    for number in range(1000):
        file.write([{"at": number, "event": "x"}])
    file.close()
    kept = [older(path, number) for number in range(OLDER, -1, -1)]
    assert sorted(tmp_path.iterdir()) == sorted(kept)
    assert all(2000 < one.stat().st_size <= most for one in kept[:-1])
    told = [lines(one) for one in kept]
    parts = [head["part"] for head, *_ in told]
    assert parts == [*range(parts[0], parts[0] + OLDER + 1)]
    numbers = [line["at"] for _, *rest in told for line in rest]
    assert numbers == [*range(numbers[0], 1000)]
    assert all(one.stat().st_mode & 0o777 == 0o600 for one in kept)


async def test_what_comes_too_fast_is_dropped_and_counted(
    recorder: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trace_writer, "MOST_WAITING", 10)
    monkeypatch.setattr(trace_writer, "PERIOD", 3600)
    recorder.start()
    for _ in range(25):
        recorder.received(PING, 5)
    await recorder.stop()
    _, *found, gap = lines(tmp_path / "logs" / "trace" / "shop.jsonl")
    assert len(found) == 10
    assert (gap["event"], gap["dropped"]) == ("gap", 15)
    assert recorder.status()["dropped"] == 15


async def test_waiting_bytes_have_a_bound_too(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trace_writer, "BYTES_WAITING", 1000)
    recorder.start()
    recorder.received(PING, 1001)
    recorder.received(PING, 1000)
    await recorder.stop()
    assert (recorder.status()["lines"], recorder.status()["dropped"]) == (2, 1)  # the gap is one


async def test_a_file_that_was_taken_away_begins_anew(recorder: Recorder, tmp_path: Path) -> None:
    file = tmp_path / "logs" / "trace" / "shop.jsonl"
    recorder.start()
    for part in (1, 2):
        recorder.sent(PING, 1)
        await eventually("it is written", file.exists, 10)
        assert lines(file)[0]["part"] == part
        file.unlink()


async def test_a_path_that_leads_elsewhere_is_not_followed(
    recorder: Recorder, tmp_path: Path
) -> None:
    file = tmp_path / "logs" / "trace" / "shop.jsonl"
    file.parent.mkdir(parents=True)
    file.symlink_to(tmp_path / "elsewhere")
    recorder.start()
    recorder.sent(PING, 1)
    await recorder.stop()
    assert not (tmp_path / "elsewhere").exists()
    assert (recorder.status()["dropped"], recorder.status()["error"]) == (1, "ELOOP")


FULL = """
import json, resource, sys
from pathlib import Path
from actors.connection.trace.trace_file import TraceFile

def room(size):
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))

file = TraceFile(Path(sys.argv[1]), "whatsmeow")
file.write([{"at": 1}])
room(150)
file.write({"at": number} for number in range(2, 102))
print(json.dumps([file.lines, file.dropped, file.error]))
room(resource.RLIM_INFINITY)
file.write([{"at": 102}])
print(json.dumps([file.lines, file.dropped, file.error]))
"""


def test_on_a_full_disk_lines_are_dropped_whole_and_it_goes_on_later(tmp_path: Path) -> None:
    """The kernel takes a part of the write, as a disk with some room left does."""
    file = tmp_path / "shop.jsonl"
    ran = subprocess.run(
        [sys.executable, "-c", FULL, str(file)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    full, later = map(json.loads, ran.stdout.splitlines())
    assert full[:2] == [1, 100]
    assert full[2] in {"ENOSPC", "EFBIG"}
    assert later == [2, 100, None]
    head, *rest = lines(file)
    assert head["part"] == 1
    assert [line["at"] for line in rest] == [1, 102]


async def test_a_disk_that_fails_is_reported_and_the_gap_is_in_the_file(
    recorder: Recorder, tmp_path: Path
) -> None:
    (tmp_path / "logs").write_text("in the way")
    recorder.start()
    recorder.sent(PING, 1)
    await eventually("it is reported", lambda: recorder.status()["error"] is not None, 10)
    assert recorder.status()["error"] in {"ENOTDIR", "EEXIST"}
    (tmp_path / "logs").unlink()
    recorder.sent(PING, 1)
    await eventually("it goes on", lambda: recorder.status()["lines"] == 2, 10)
    _, stanza, gap = lines(tmp_path / "logs" / "trace" / "shop.jsonl")
    assert stanza["dir"] == "out"
    assert (gap["event"], gap["dropped"]) == ("gap", 1)


async def test_nobody_waits_for_a_disk_that_stands_still(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stanzas are taken while a write lasts; those above the bound are dropped."""
    writes, goes_on = threading.Event(), threading.Event()
    write = TraceFile._append

    def slow(self: TraceFile, data: bytes) -> None:
        writes.set()
        goes_on.wait(60)
        write(self, data)

    monkeypatch.setattr(TraceFile, "_append", slow)
    monkeypatch.setattr(trace_writer, "MOST_WAITING", 100)
    recorder.start()
    recorder.sent(PING, 1)
    await asyncio.to_thread(writes.wait, 60)
    for _ in range(1000):
        recorder.received(PING, 5)
    assert not goes_on.is_set()
    goes_on.set()
    await recorder.stop()
    assert recorder.status()["dropped"] == 900


async def test_what_breaks_the_recorder_ends_the_trace_alone(recorder: Recorder) -> None:
    recorder.start()
    recorder.received(Made("message", {"type": 7}, None), 1)  # type: ignore[dict-item]
    await eventually("it ended", lambda: not recorder.status()["tracing"], 10)
    recorder.received(PING, 5)
    assert recorder.status()["dropped"] == 1
    recorder.start()
    assert recorder.status()["tracing"]
    await recorder.stop()


async def test_a_low_disk_takes_no_lines_and_the_gap_is_noted(tmp_path: Path) -> None:
    low = True
    made = Recorder(tmp_path / "shop.jsonl", "whatsmeow", low=lambda: low)
    made.start()
    made.sent(PING, 1)
    made.sent(PING, 1)
    await eventually("both are dropped", lambda: made.status()["dropped"] == 2, 10)
    assert made.status()["error"] == "ENOSPC"
    assert not (tmp_path / "shop.jsonl").exists()
    low = False
    made.sent(PING, 1)
    await eventually("it writes again", lambda: made.status()["lines"], 10)
    made.sent(PING, 1)
    await made.stop()
    _, *rest = lines(tmp_path / "shop.jsonl")
    assert next(each for each in rest if each.get("event") == "gap")["dropped"] == 2
    assert made.status()["error"] is None
