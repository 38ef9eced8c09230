"""`python bare_engine.py DIRECTORY URL ROOT_KEY EPOCH`: the engine alone, without queue and tree.

Logs in on the session in DIRECTORY (or shows a QR) and does what stdin says, one JSON line of
answer for each: ``send CONTACTS COUNT PREFIX`` sends COUNT messages, one of a chat at a time as
the queue does. Ends with stdin.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import sys
import time
from pathlib import Path

from actors.config.sources import resolve_settings
from actors.connection.disconnects.causes import Kind
from actors.connection.engine import EngineEvents, Qr, SendRequest
from actors.connection.whatsmeow import open_engine
from actors.messages.content import Text
from actors.runtime.logs import configure


def tell(**what: object) -> None:
    print(json.dumps(what), flush=True)


async def main(directory: Path, url: str, root_key: str, epoch: int) -> None:
    opened = asyncio.Event()

    async def on_qr(qr: Qr) -> None:
        tell(qr=qr.text)

    async def on_open() -> None:
        opened.set()

    events = EngineEvents(on_qr=on_qr, on_open=on_open)
    settings = resolve_settings(data=directory, whatsapp_url=url, whatsapp_root_key=root_key)
    engine = open_engine(settings, "bare", epoch, events, directory)

    async def run() -> None:
        while (await engine.run()).kind is Kind.RESTART_REQUIRED:
            pass

    async def chat(contact: str, count: int, prefix: str) -> None:
        for number in range(count):
            message_id = f"3EB0{secrets.token_hex(9).upper()}"
            to = f"{contact}@s.whatsapp.net"
            await engine.send(SendRequest(message_id, to, Text(f"{prefix} {number}")))

    running = asyncio.create_task(run())
    await opened.wait()
    tell(open=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        _, contacts, count, prefix = line.split()
        begun = time.perf_counter()
        names = contacts.split(",")
        await asyncio.gather(*(chat(name, int(count) // len(names), prefix) for name in names))
        tell(seconds=time.perf_counter() - begun)
    await engine.close()
    await running


if __name__ == "__main__":
    configure(sys.stderr, "warning")  # stdout is for answers
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])))
