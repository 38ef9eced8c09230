"""Runs the keeper, which supervises an instance's OS processes: `python -m supervision.keeper --data DIR`.

SIGTERM ends the keeper alone: only `teimoso down` stops the processes. Exit status 1 and one
sentence on stderr when it cannot start.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from pathlib import Path

from actors.config.settings import Settings
from actors.runtime import logs
from supervision.keeper.keeper import Keeper
from supervision.keeper.lock import DirectoryLock, Held
from supervision.keeper.manifest import Plan, UnreadableManifest
from supervision.keeper.parts.ports import NoPortFree


def main() -> int:
    """Keep the processes of an instance until SIGTERM. Returns the exit status: 1, with a sentence on stderr, where it cannot begin."""
    os.umask(0o077)  # inherited by all parts, whose files hold messages and keys
    parser = argparse.ArgumentParser(
        prog="python -m supervision.keeper",
        description="Keeps the processes of an instance running.",
    )
    parser.add_argument("--data", type=Path, required=True, help="data directory of the instance")
    data: Path = parser.parse_args().data.expanduser().resolve()
    try:
        settings = Settings.load(data)
    except (OSError, ValueError):
        return _cannot(f"{data} has no runtime.json that can be read: use `teimoso up`.")
    logs.configure(sys.stderr, settings.log_level)
    try:
        plan = Plan.load(data)
    except UnreadableManifest as error:
        return _cannot(str(error))
    if plan is None:
        return _cannot(f"{data} has no instance.json: use `teimoso up`.")
    try:
        with DirectoryLock(data):
            asyncio.run(_serve(data, settings, plan))
    except (Held, NoPortFree) as error:
        return _cannot(str(error))
    except OSError as error:
        return _cannot(f"{data} cannot be used: {error.strerror or type(error).__name__}.")
    return 0


async def _serve(data: Path, settings: Settings, plan: Plan) -> None:
    keeper = Keeper(data, settings, plan)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, keeper.leave)
    await keeper.run()


def _cannot(sentence: str) -> int:
    sys.stderr.write(sentence + "\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
