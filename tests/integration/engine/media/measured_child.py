"""An engine in a process of its own that sends and fetches large files, and tells what that costs.

Called with one argument, JSON: `settings` (values), `directory`, `epoch`, `chat`, and `files` (content
each, as objects; the first is small, and loads what files need). It prints JSON lines: ``ready`` once
the first is sent and one file that waits was fetched, then ``done`` with the bytes by which the
resident memory rose at most while the others were sent at once and `fetch` more were fetched.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
from pathlib import Path
from typing import Any

from actors.config.sources import resolve_settings
from actors.connection.engine import EngineEvents, SendRequest
from actors.connection.whatsmeow import open_engine
from actors.messages.content import unpack
from actors.runtime import logs
from tests.bare_files import BareFiles


def resident(line: str = "VmRSS") -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.partition(f"{line}:")[2].split()[0]) * 1024


def count_from_here() -> int:
    """Resets the peak of resident memory; returns the resident bytes now."""
    Path("/proc/self/clear_refs").write_text("5")
    return resident()


async def main(asked: dict[str, Any]) -> None:
    logs.configure(sys.stderr, "info")  # the answers alone go to the output
    directory, opened, told = Path(asked["directory"]), asyncio.Event(), asyncio.Event()

    async def on_open() -> None:
        opened.set()

    async def on_inbox() -> None:
        told.set()

    engine = open_engine(
        resolve_settings(**asked["settings"]),
        *("shop", asked["epoch"]),
        EngineEvents(on_open=on_open, on_inbox=on_inbox),
        directory,
        media=BareFiles(directory / "media"),
    )

    async def fetched(count: int) -> None:
        stored = 0
        while stored < count:
            await told.wait()
            told.clear()
            await engine.settle([one.key for one in await engine.pending("message", 99)])
            files = await engine.pending("file", 99)
            assert all(one.status == "stored" for one in files)
            await engine.settle([one.key for one in files])
            stored += len(files)

    running = asyncio.create_task(engine.run())
    await opened.wait()
    first, *others = [
        engine.send(SendRequest(f"3EB0{number:018X}", asked["chat"], unpack(said)))
        for number, said in enumerate(asked["files"])
    ]
    await first
    await fetched(1)
    gc.collect()
    before = count_from_here()
    print(json.dumps({"event": "ready", "resident": before}), flush=True)
    await asyncio.gather(*others)
    sent = resident("VmHWM") - before
    await fetched(asked["fetch"])
    peak = resident("VmHWM") - before
    print(json.dumps({"event": "done", "sent": sent, "peak": peak}), flush=True)
    await engine.close()
    await running


asyncio.run(main(json.loads(sys.argv[1])))
