"""An engine in a process of its own that logs in, receives a message with a file, and sends one with a file.

Called with one argument, JSON: `settings` (values), `directory`, `epoch`, `chat`, `content` (that of the
message to send) and `proxy`. It prints ``opened``, and ``done`` once the file is here and the other is sent.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from actors.config.sources import resolve_settings
from actors.connection.engine import EngineEvents, SendRequest
from actors.connection.proxy.address import parse
from actors.connection.whatsmeow import open_engine
from actors.messages.content import unpack
from actors.runtime import logs
from tests.bare_files import BareFiles


async def main(asked: dict[str, Any]) -> None:
    logs.configure(sys.stderr, "info")
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
    way = asked["proxy"]
    await engine.use_proxy(None if way is None else parse(way))
    running = asyncio.create_task(engine.run())
    await opened.wait()
    print("opened", flush=True)
    files: list[Any] = []
    while not files:
        await told.wait()
        told.clear()
        await engine.settle([one.key for one in await engine.pending("message", 99)])
        files = list(await engine.pending("file", 99))
    assert [one.status for one in files] == ["stored"]
    await engine.send(SendRequest(f"3EB0{1:018X}", asked["chat"], unpack(asked["content"])))
    print("done", flush=True)
    await engine.close()
    await running


if __name__ == "__main__":
    asyncio.run(asyncio.wait_for(main(json.loads(sys.argv[1])), 50))
