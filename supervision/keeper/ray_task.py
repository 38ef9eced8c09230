"""Runs as a short process that calls Ray for keeper and CLI: starts or stops the root actor, or replaces all others.

`python -m supervision.keeper.ray_task start|stop|renew --data DIR`.

The keeper never loads Ray; this process does, for seconds. ``start`` creates the root where there is
none, or where it hangs: the keeper can end no process of another host, and Ray does not report a hanging
actor as dead. A root on a host that does not share the directory counts as hanging. ``stop`` has the
root stop its children, which release their leases, and ends it. ``renew`` has it replace standbys and
services.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from pathlib import Path

from actors.config.settings import Settings
from actors.runtime import host_identity
from supervision import cluster
from supervision.reports import process_files

RENEW_SECONDS = 280.0  # seconds for the replacement of standbys and services
TREE_STOP_SECONDS = 25.0  # seconds for the stop of the tree
ROOT_ANSWER_SECONDS = 20.0  # seconds for an answer of the root, also of one that Ray is restarting
ROOT_LAG_SECONDS = 10.0  # seconds for which its main loop may be blocked
NAME_POLLS = 100  # polls, ten a second, until Ray has removed the name of an ended root


def main() -> int:
    """Do the task that the arguments name, connected to Ray. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m supervision.keeper.ray_task")
    parser.add_argument("task", choices=("start", "stop", "renew"))
    parser.add_argument("--data", type=Path, required=True)
    arguments = parser.parse_args()
    cluster.connect(Settings.load(arguments.data))
    if arguments.task == "start":
        asyncio.run(_end_hung(arguments.data))
        cluster.start_root(arguments.data)
        return 0
    if arguments.task == "renew":
        return asyncio.run(_renew())
    return asyncio.run(_stop(arguments.data))


async def _end_hung(data: Path) -> None:
    root = cluster.find_root()
    if root is None or not await _hangs(root, data):
        return
    sys.stderr.write("Replaced a root that hung, or that runs with another data directory.\n")
    await cluster.Cluster(data).kill(root)
    for _ in range(NAME_POLLS):
        if cluster.find_root() is None:
            return
        await asyncio.sleep(0.1)


async def _hangs(root: cluster.ActorHandle, data: Path) -> bool:
    deadline = time.monotonic() + ROOT_ANSWER_SECONDS
    while (left := deadline - time.monotonic()) > 0:
        try:
            health = await root.health(left)
            return float(health["lag"]) > ROOT_LAG_SECONDS or _is_astray(health["node"], data)
        except cluster.ActorDead:
            return False
        except (cluster.CallTimeout, cluster.CallRefused):
            await asyncio.sleep(0.5)  # Ray may have lost contact for a moment
    return True


async def _renew() -> int:
    root = cluster.find_root()
    if root is None:
        sys.stderr.write("There is no root.\n")
        return 1
    try:
        await root.call("renew", within=RENEW_SECONDS)
    except (cluster.ActorDead, cluster.CallTimeout, cluster.CallRefused) as error:
        sys.stderr.write(f"Not all actors were replaced: {error or type(error).__name__}.\n")
        return 1
    return 0


def _is_astray(node: str, data: Path) -> bool:
    """Returns whether the root runs on another host and writes to another directory than this one."""
    return node != host_identity.here() and not any(
        entry.role == "root" for entry in process_files.read(data)
    )


async def _stop(data: Path) -> int:
    root = cluster.find_root()
    if root is None:
        return 0
    try:
        await root.call("stop", within=TREE_STOP_SECONDS)
    except (cluster.ActorDead, cluster.CallTimeout, cluster.CallRefused) as error:
        sys.stderr.write(f"The tree did not stop by itself: {type(error).__name__}.\n")
        return 1
    finally:
        # Ray would keep the stopped root under its name, and the next start would find it.
        await cluster.Cluster(data).kill(root)
    return 0


if __name__ == "__main__":
    sys.exit(main())
