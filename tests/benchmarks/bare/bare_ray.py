"""`python bare_ray.py COUNT DIRECTORY`: Ray alone, with actors that import what a connection imports.

Its head is started as Teimoso starts one. `DIRECTORY/times.json` then has the seconds from its own start until the
head was ready, and until all actors had answered, and those of a processor that each actor took: Ray prints lines of
its own to stdout.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from supervision.keeper.parts import ports, ray_head
from supervision.ray_files import ADDRESS_FILE

IMPORTED = (
    "actors.connection.actor",
    "actors.connection.whatsmeow.engine",
    "actors.connection.session.session",
)
"""Modules that an actor has imported once it serves a connection."""


class Bare:
    """An actor that does nothing."""

    def __init__(self) -> None:
        for module in IMPORTED:
            importlib.import_module(module)

    def spent(self) -> float:
        """Answered once everything is imported: the seconds of a processor that this took."""
        return time.process_time()


def adjust(parameters: Any, head: bool) -> None:
    """Starts no server for `ray://` addresses, as Teimoso does; workers are Ray's own."""
    parameters.ray_client_server_port = None


def main(count: int, directory: Path) -> None:
    begun = time.time()
    chosen = ports.settle({}, (), ports.candidates(directory), ports.free)
    command = ray_head.command(directory, chosen)
    added = {name: value for name, value in command.environment.items() if value}
    added["RAY_START_HOOK"] = "tests.benchmarks.bare.bare_ray.adjust"
    with (directory / "head.log").open("wb") as log:
        head = subprocess.Popen(
            command.arguments, env={**os.environ, **added}, stdout=log, stderr=log
        )
    try:
        while not asyncio.run(ray_head.ready(chosen)):
            time.sleep(0.05)
        ready = time.time() - begun
        os.environ.update(ray_head.environment(directory))  # Ray reads it once, when it is loaded
        import ray

        address = (directory / ADDRESS_FILE).read_text().strip()
        ray.init(address=address, log_to_driver=False, configure_logging=False)
        made = ray.remote(num_cpus=0)(Bare)
        actors = [made.remote() for _ in range(count)]
        spent = ray.get([actor.spent.remote() for actor in actors])
        times = {"head": ready, "all": time.time() - begun, "actors": sum(spent) / count}
        (directory / "times.json").write_text(json.dumps(times))
        ray.shutdown()
    finally:
        head.terminate()
        head.wait()
        ray_head.tidy(directory)


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
