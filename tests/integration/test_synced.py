"""G1, G5: what each file's owner answers for is on disk, as the kernel sees it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from actors.config.sources import resolve_settings
from actors.queue.outbound_queue import OutboundQueue, Send
from actors.redis.client import RedisAway, connect
from supervision.keeper.parts import valkey
from tests.processes.tracing import STRACE, calls, under
from tests.processes.valkey import free_port
from tests.waits import eventually

pytestmark = pytest.mark.skipif(
    STRACE is None, reason="strace is not installed, so no fsync can be seen"
)

ROOT = Path(__file__).resolve().parents[2]
MARKER = "answered-by-the-test"
CHAT = "15550100002@s.whatsapp.net"
TEXT = "token-of-this-test"

# Each does one thing to warm up, then another one, and prints a marker after the answer to each.
PROGRAMS = {
    "session.db": f"""
        session = Session.open(Path(sys.argv[1]), 1)
        for number in range(2):
            async with session.transaction():
                session.inbox.add(chat={CHAT!r}, sender={CHAT!r}, message_id=str(number),
                    at=1, type="text", text={TEXT!r})
            report(number)
    """,
    "state.db": f"""
        documents = SqliteDocuments(Path(sys.argv[1]))
        for number in range(2):
            await documents.batch([Write("set", "whatsapp_messages", str(number), {{"a": {TEXT!r}}})])
            report(number)
        await documents.close()
    """,
}
FRAME = """
import asyncio, os, sys
from pathlib import Path
from actors.connection.session.session import Session
from actors.state.documents import Write
from actors.state.sqlite.store import SqliteDocuments

def report(number):
    os.write(1, f"{marker} {{number}}\\n".encode())

async def main():
{program}

asyncio.run(main())
"""


def synced_before_marker(trace: str, file: str) -> bool:
    """Returns whether all that was written to the log of `file` was synced at the second marker.

    Raises AssertionError when the trace shows no write between the two markers.
    """
    markers, written, dirty = 0, False, False
    for name, target, rest in calls(trace):
        if f"{file}-wal" in target:
            if name in {"fsync", "fdatasync"}:
                dirty = dirty and not rest.endswith("= 0")
            elif name in {"write", "pwrite64"}:
                dirty = True
                written = written or (markers == 1)
        elif name == "write" and MARKER in rest:
            markers += 1
            if markers == 2:
                assert written, "nothing was written"
                return not dirty
    raise AssertionError(f"{markers} markers")


@pytest.mark.parametrize("file", PROGRAMS)
def test_what_was_answered_is_on_disk(tmp_path: Path, file: str) -> None:
    program = FRAME.format(marker=MARKER, program=PROGRAMS[file])
    output = tmp_path / "strace"
    done = subprocess.run(
        [*under(output), sys.executable, "-c", program, str(tmp_path / file)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert synced_before_marker(output.read_text(), file)


async def test_the_keepers_own_valkey_syncs_before_it_answers(tmp_path: Path) -> None:
    port, password, output = free_port(), valkey.password(tmp_path), tmp_path / "strace"
    command = valkey.command(tmp_path, port, password, 100)
    server = subprocess.Popen(  # noqa: ASYNC220 - begun before anything waits
        [*under(output), *command.arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        process_group=0,
    )
    settings = resolve_settings(
        data=tmp_path, redis_host="127.0.0.1", redis_port=port, redis_password=password
    )
    redis = connect(settings)
    lanes = OutboundQueue(redis, settings)
    try:

        async def loads() -> bool:
            with suppress(RedisAway):
                await lanes.accept(Send("shop", CHAT, "loads the script"))
                return True
            return False

        await eventually("the server accepts", loads, 15)
        await lanes.accept(Send("shop", CHAT, TEXT))
    finally:
        await redis.aclose()
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()
    logged = synced = False
    for name, file, rest in calls(output.read_text()):
        if ".aof" in file and TEXT in rest:
            logged = True
        elif logged and ".aof" in file and name in {"fsync", "fdatasync"}:
            synced = rest.endswith("= 0")
        elif logged and name in {"write", "writev", "sendto"} and "accepted" in rest:
            assert synced, "it answered before the message was on disk"
            return
    raise AssertionError("no acceptance in the trace")
