"""`python -m supervision.keeper.errand start|stop --data DIR`: what needs Ray, done and over.

The keeper itself never loads Ray, so it sends a process that lives for seconds. ``start`` makes
the root where there is none; ``stop`` lets it stop its children and let go of their leases, and
ends it.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from actors.settings import Settings
from supervision import cluster

DRAIN = 25.0  # seconds that the tree has to stop


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m supervision.keeper.errand")
    parser.add_argument("errand", choices=("start", "stop"))
    parser.add_argument("--data", type=Path, required=True)
    arguments = parser.parse_args()
    cluster.connect(Settings.load(arguments.data))
    if arguments.errand == "start":
        cluster.start_root(arguments.data)
        return 0
    return asyncio.run(_stop(arguments.data))


async def _stop(data: Path) -> int:
    root = cluster.find_root()
    if root is None:
        return 0
    try:
        await root.call("stop", within=DRAIN)
    except (cluster.ActorDead, cluster.NoAnswer, cluster.Refused) as error:
        sys.stderr.write(f"The tree did not stop by itself: {type(error).__name__}.\n")
        return 1
    finally:
        # Ray would keep it, stopped, under its name, and the next start would find that one.
        await cluster.Cluster(data).kill(root)
    return 0


if __name__ == "__main__":
    sys.exit(main())
