"""The keeper while nothing can be written. Only files stand in the way: no server runs here."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from actors.config.sources import resolve_settings
from supervision.keeper import keeper as keeping
from supervision.keeper import process, status_file
from supervision.keeper.keeper import Keeper
from supervision.keeper.manifest import Plan
from supervision.keeper.parts.process_specs import PROCESSES
from supervision.reports import process_files
from tests.processes.valkey import free_port
from tests.waits import eventually

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


async def test_a_full_disk_does_not_end_the_keeper(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """G8: it goes on, and writes what it could not once it can."""
    monkeypatch.setattr(keeping, "PART_PROBE_SECONDS", 0.2)
    port = free_port()
    settings = resolve_settings(
        data=tmp_path,
        port=port,
        redis_host="127.0.0.1",
        redis_port=free_port(),
        ray_address=f"127.0.0.1:{free_port()}",
        restart_backoff_base=100,
        restart_backoff_cap=200,
    )
    keeper = Keeper(tmp_path, settings, Plan(port, valkey=False, ray=False))
    # Neither replacing a directory by a file nor making one in a file works, for root neither.
    (tmp_path / status_file.STATUS_FILE.path).unlink()
    for name in (PROCESSES, status_file.STATUS_FILE.path):
        (tmp_path / name / "in the way").mkdir(parents=True)
    (tmp_path / "logs").write_text("in the way")
    running = asyncio.create_task(keeper.run())
    try:
        await asyncio.sleep(1)
        assert not running.done()
        for name in (PROCESSES, status_file.STATUS_FILE.path):
            (tmp_path / name / "in the way").rmdir()
            (tmp_path / name).rmdir()
        (tmp_path / "logs").unlink()
        await eventually("both are there", lambda: len(entries(tmp_path)) == 2, 30)
        assert entries(tmp_path) == {"keeper", "gateway"}
        assert {note.role for note in status_file.read(tmp_path)} == {"root", "gateway"}
        # A change that meets the full disk, and none after it.
        (tmp_path / PROCESSES).unlink()
        (tmp_path / PROCESSES / "in the way").mkdir(parents=True)
        await eventually("it is ready", lambda: falls_once_ready(tmp_path) is not None, 30)
        falls = falls_once_ready(tmp_path)
        [killed] = process.strays(tmp_path, "gateway")
        await process.kill([killed])
        await eventually("again", lambda: falls_once_ready(tmp_path) not in {None, falls}, 30)
        (tmp_path / PROCESSES / "in the way").rmdir()
        (tmp_path / PROCESSES).rmdir()
        await eventually("both are listed", lambda: len(entries(tmp_path)) == 2, 5)
    finally:
        keeper.leave()
        await asyncio.wait([running])
        await process.kill(process.strays(tmp_path))
    await running


def falls_once_ready(data: Path) -> int | None:
    [gateway] = [note for note in status_file.read(data) if note.role == "gateway"]
    return gateway.falls if gateway.state == "ready" else None


def entries(data: Path) -> set[str]:
    return {entry.role for entry in process_files.read(data, PROCESSES)}
