"""A real cluster of three Valkeys on loopback."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Self

import pytest
from redis.asyncio import Redis
from redis.crc import key_slot

from tests.processes.valkey import PASSWORD, Valkey, free_port

if TYPE_CHECKING:
    from pathlib import Path

NODES = 3
SLOTS = 16_384
SECONDS = 30.0


class Cluster:
    """Three masters that share the slots; `node` has the keys of a connection."""

    def __init__(self, directory: Path) -> None:
        # The bus of the cluster is by default at a port that may be too high to be one.
        self.nodes = [
            Valkey(
                directory / f"{number}",
                options={"cluster-enabled": "yes", "cluster-port": f"{free_port()}"},
            )
            for number in range(NODES)
        ]

    def __enter__(self) -> Self:
        for node in self.nodes:
            node.start()
        asyncio.run(self._meet())
        return self

    def __exit__(self, *_: object) -> None:
        for node in self.nodes:
            node.kill()

    def node(self, connection: str) -> Valkey:
        return self.nodes[key_slot(connection.encode()) * NODES // SLOTS]

    async def _meet(self) -> None:
        clients: list[Any] = [
            Redis(port=node.port, password=PASSWORD, decode_responses=True) for node in self.nodes
        ]
        first = self.nodes[0]
        for number, client in enumerate(clients):
            begin = -(-number * SLOTS // NODES)
            end = -(-(number + 1) * SLOTS // NODES) - 1
            await client.execute_command("CLUSTER", "ADDSLOTSRANGE", begin, end)
            await client.execute_command(
                "CLUSTER", "MEET", "127.0.0.1", first.port, first.options["cluster-port"]
            )
        async with asyncio.timeout(SECONDS):
            for client in clients:
                while True:
                    info = await client.execute_command("CLUSTER", "INFO")
                    told = info if isinstance(info, str) else "\n".join(map(":".join, info.items()))
                    if "cluster_state:ok" in told and f"cluster_known_nodes:{NODES}" in told:
                        break
                    await asyncio.sleep(0.05)
        for client in clients:
            await client.aclose()


SEVERAL_CONNECTIONS = pytest.mark.parametrize("kind", ["once", "twice"], indirect=True)
"""Not on the node of one connection: what the test looks at lies on others too."""
