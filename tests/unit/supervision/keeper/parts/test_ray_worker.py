"""Ray's worker starts without garbage collections, and the actor in it has them."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

from actors.config.sources import resolve_settings
from supervision.keeper.parts import ray_start_hook

if TYPE_CHECKING:
    from pathlib import Path

STARTED = """
import asyncio, gc, runpy, sys
from contextlib import suppress
from actors.runtime.actor_base import Shell

sys.argv[1:], data = ["--help"], sys.argv[1]
with suppress(SystemExit):
    runpy.run_path({worker!r}, run_name="__main__")
seen = [gc.isenabled()]

async def start():
    await Shell(data, "connection:1").start()
    seen.extend([gc.isenabled(), gc.get_freeze_count() > 10_000])

asyncio.run(start())
print(*seen)
"""


def test_a_worker_collects_nothing_before_its_actor_has_started(tmp_path: Path) -> None:
    """All that was imported until then stays for its life, and no later collection looks at it."""
    resolve_settings(data=tmp_path).save()
    done = subprocess.run(
        [sys.executable, "-c", STARTED.format(worker=ray_start_hook.WORKER), str(tmp_path)],
        env={**os.environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-3:] == ["False", "True", "True"]
