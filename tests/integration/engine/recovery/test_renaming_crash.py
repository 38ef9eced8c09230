"""G2, G4, G5: killed at each step of two lanes that become one, while messages of both leave."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from tests.integration.engine.recovery import renaming_child
from tests.integration.engine.simulated import ROOT
from tests.processes.valkey import PASSWORD

if TYPE_CHECKING:
    from pathlib import Path

    from tests.processes.valkey import Valkey


async def test_the_next_owner_goes_on_and_each_message_is_there_in_its_order(
    own_server: Valkey, tmp_path: Path
) -> None:
    """At each commit, each call of Redis about names, each call of the store and each send."""
    values = {
        "redis_host": "127.0.0.1",
        "redis_port": own_server.port,
        "redis_password": PASSWORD,
        "queue_concurrency": 3,
    }
    lives = await asyncio.create_subprocess_exec(
        *(sys.executable, renaming_child.__file__, tmp_path, json.dumps(values)),
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(110):
            shown, told = await lives.communicate()
    finally:
        with suppress(ProcessLookupError):
            os.killpg(lives.pid, signal.SIGKILL)
        await lives.wait()
    steps = [tuple(map(int, line.split())) for line in shown.decode().splitlines()]
    count = len(steps) - 1
    expected = [(at, -signal.SIGKILL, 0) for at in range(1, count + 1)]
    assert steps == [*expected, (count + 1, 0, 0)], told.decode()[-3000:]
    assert count > 20, "too few steps were died at"
    print(f"killed at {count} steps")
