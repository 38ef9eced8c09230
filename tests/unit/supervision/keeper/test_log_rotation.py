"""Logs are cut under those who write them, and a few older ones are kept."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from contextlib import suppress
from threading import Thread
from typing import TYPE_CHECKING

from actors.runtime.limits import disk_floor
from actors.runtime.limits.disk_floor import DiskFloor
from supervision.keeper import log_rotation
from supervision.keeper.process import CommandLine, outcome, start
from tests.processes.small_disk import mount_small_disk
from tests.waits import eventually

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

WRITER = "import sys\nfor line in sys.stdin: sys.stdout.write(line); sys.stdout.flush()"


def test_who_has_it_open_goes_on_in_the_same_file(tmp_path: Path) -> None:
    log = tmp_path / "gateway.log"
    (tmp_path / "small.log").write_text("x" * 100)
    with log.open("ab") as output:
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER], stdin=subprocess.PIPE, stdout=output, text=True
        )
    assert writer.stdin is not None
    with writer:
        for number in range(7):
            writer.stdin.write(f"{number}" * 200 + "\n")
            writer.stdin.flush()
            while not log.read_bytes().startswith(f"{number}".encode() * 200 + b"\n"):
                pass
            assert log.stat().st_size == 201, "no hole where the writer was before"
            assert log_rotation.rotate(tmp_path, 200) == ["gateway.log"]
        writer.stdin.close()
    assert (log.read_text(), (tmp_path / "small.log").read_text()) == ("", "x" * 100)
    kept = [log_rotation.older(log, number) for number in range(1, log_rotation.LOGS_KEPT + 1)]
    assert [file.read_text()[0] for file in kept] == ["6", "5", "4", "3"]
    assert len(list(tmp_path.iterdir())) == 2 + log_rotation.LOGS_KEPT
    assert all(file.stat().st_mode & 0o077 == 0 for file in kept)


def test_what_cannot_be_copied_is_cut_all_the_same(tmp_path: Path) -> None:
    log = tmp_path / "state.log"
    log.write_text("x" * 300)
    for number in range(1, log_rotation.LOGS_KEPT + 1):
        (log_rotation.older(log, number) / "in the way").mkdir(parents=True)
    assert log_rotation.rotate(tmp_path, 200) == ["state.log"]
    assert log.read_text() == ""


async def test_a_start_sets_the_log_of_the_run_before_aside(tmp_path: Path) -> None:
    for number in range(3):
        entry = start(tmp_path, "part", CommandLine((sys.executable, "-c", f"print({number})")))
        assert await outcome(tmp_path, entry) is None
    log = tmp_path / "logs" / "part.log"
    shown = [log, log_rotation.older(log, 1), log_rotation.older(log, 2)]
    assert [file.read_text() for file in shown] == ["2\n", "1\n", "0\n"]


def test_a_part_that_starts_while_its_log_is_cut_loses_nothing_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "gateway.log"
    log.write_text("why it fell" * 100)
    starts = Thread(target=log_rotation.set_aside, args=(log,))
    shift = log_rotation._shift

    def meanwhile(file: Path, kept: int) -> None:
        shift(file, kept)
        if starts.ident is None:
            starts.start()
            starts.join(0.3)

    monkeypatch.setattr(log_rotation, "_shift", meanwhile)
    assert log_rotation.rotate(tmp_path, 200) == ["gateway.log"]
    starts.join(5)
    kept = [older for number in (1, 2) if (older := log_rotation.older(log, number)).exists()]
    assert "why it fell" * 100 in [file.read_text() for file in kept]
    assert not log.exists()


async def test_below_the_floor_logs_give_room_to_messages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a disk of 1 MB: the newest lines stay, in a tenth of the place."""
    for module, name in (
        (log_rotation, "ROTATION_CHECK_SECONDS"),
        (log_rotation, "LOW_ROTATION_CHECK_SECONDS"),
        (disk_floor, "DISK_CHECK_SECONDS"),
    ):
        monkeypatch.setattr(module, name, 0.01)
    size, looks = 0, 0

    def reserve() -> int:
        nonlocal looks
        looks += 1
        return size

    with mount_small_disk(tmp_path / "disk") as disk:
        log = disk / "gateway.log"
        older = [log_rotation.older(log, number) for number in range(1, log_rotation.LOGS_KEPT + 1)]
        for file in older:
            file.write_bytes(b"o" * 150_000)
        log.write_bytes(b"n" * 100_000)
        keeps = asyncio.create_task(log_rotation.run(disk, 150_000, DiskFloor([disk], reserve)))
        try:
            await eventually("the disk is looked at", lambda: looks > 2, 10)
            assert [file.stat().st_size for file in (log, *older)] == [100_000, *[150_000] * 4]
            size = disk_floor.ACCEPTED_PART * 500_000
            await eventually("the log is cut", lambda: log.stat().st_size == 0, 10)
            assert [file.exists() for file in older] == [True, False, False, False]
            assert older[0].read_bytes() == b"n" * 100_000
        finally:
            keeps.cancel()
            with suppress(asyncio.CancelledError):
                await keeps
