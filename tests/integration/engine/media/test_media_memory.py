"""A file is never whole in memory, however many go and come at once."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from actors.messages.content import Document, pack
from tests.integration.engine.media.test_media import kept
from tests.integration.engine.simulated import ACCOUNT, CONTACT, ROOT, Simulator, chat, prepare

MIB = 2**20
SIZE, COUNT = 64 * MIB, 3
CHILD = Path(__file__).with_name("measured_child.py")


def started(asked: dict[str, Any], output: Path) -> subprocess.Popen[bytes]:
    with output.open("wb") as log:
        return subprocess.Popen(
            [sys.executable, str(CHILD), json.dumps(asked)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=log,
        )


@pytest.mark.long
async def test_large_files_at_once_cost_little_memory(simulator: Simulator, tmp_path: Path) -> None:
    await prepare(simulator, tmp_path, talked=True)
    sizes = [1000, *(SIZE for _ in range(COUNT))]
    files = [
        pack(Document(await kept(tmp_path, secrets.token_bytes(size), "application/zip")))
        for size in sizes
    ]

    async def says(size: int) -> None:
        say = f"/contacts/{CONTACT}/say"
        await simulator._call("POST", say, to=ACCOUNT, type="document", size=size)

    await says(1000)
    asked = {
        "settings": {
            "data": str(tmp_path),
            "whatsapp_url": simulator.ws_url,
            "whatsapp_root_key": simulator.root_key,
            "whatsapp_media_authority": simulator.media_authority,
        },
        "directory": str(tmp_path),
        "epoch": 2,
        "chat": chat(CONTACT),
        "files": files,
        "fetch": COUNT,
    }
    child = started(asked, tmp_path / "child.log")
    assert child.stdout is not None
    try:
        async with asyncio.timeout(120):
            ready = json.loads(await asyncio.to_thread(child.stdout.readline))
            for number in range(COUNT):
                await says(SIZE + number)
            done = json.loads(await asyncio.to_thread(child.stdout.readline))
            await asyncio.to_thread(child.wait)
    finally:
        child.kill()
        child.wait()
        child.stdout.close()
    print(
        f"resident {ready['resident'] / MIB:.0f} MiB; {COUNT} files of {SIZE // MIB} MiB each way at"
        f" once: {done['peak'] / MIB:.1f} MiB more, {done['sent'] / MIB:.1f} of it for sending"
    )
    assert done["peak"] < 20 * MIB
    items = [one for one in await simulator.inbox(CONTACT) if one["type"] == "document"]
    assert [one["content"]["media"] for one in items] == ["ok"] * (COUNT + 1)
