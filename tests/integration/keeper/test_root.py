"""The state of the root in the status file, which Ray restarts by itself."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from actors.config.sources import resolve_settings
from supervision.keeper import process, status_file
from supervision.keeper.keeper import Keeper
from supervision.keeper.manifest import Plan
from supervision.reports import process_files
from supervision.reports.process_files import ProcessEntry
from tests.processes.valkey import free_port
from tests.waits import eventually

if TYPE_CHECKING:
    from pathlib import Path


async def test_a_root_that_is_gone_has_fallen_and_starts_again(tmp_path: Path) -> None:
    settings = resolve_settings(
        data=tmp_path,
        port=(port := free_port()),
        redis_host="127.0.0.1",
        redis_port=free_port(),
        ray_address=f"127.0.0.1:{free_port()}",
    )

    def root() -> tuple[str, int]:
        [note] = [note for note in status_file.read(tmp_path) if note.role == "root"]
        return note.state, note.falls

    lives = await asyncio.create_subprocess_exec("sleep", "600")
    entry = ProcessEntry.of("root", lives.pid)
    assert entry is not None
    process_files.write(tmp_path, [entry])
    keeper = Keeper(tmp_path, settings, Plan(port, valkey=False, ray=False))
    running = asyncio.create_task(keeper.run())
    try:
        await eventually("the root is ready", lambda: root() == ("ready", 0), 20)
        lives.kill()
        await lives.wait()
        await eventually("its fall is known", lambda: root() == ("starting", 1), 20)
    finally:
        keeper.leave()
        await asyncio.wait([running])
        await process.kill(process.strays(tmp_path))
    await running
