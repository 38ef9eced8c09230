"""The keeper's watch over a gateway that listens on a concrete address, and not on 127.0.0.1."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import pytest

from actors.config.sources import resolve_settings
from supervision.keeper import process, status_file
from supervision.keeper.keeper import Keeper
from supervision.keeper.manifest import Plan
from tests.processes.valkey import free_port
from tests.waits import eventually

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("host", ["127.0.0.2", "::1"])
async def test_a_gateway_on_a_concrete_address_is_found_ready(tmp_path: Path, host: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as trial:
        try:
            trial.bind((host, 0))
        except OSError as error:
            pytest.skip(f"{host} is no address of this machine: {error.strerror}")
    settings = resolve_settings(
        data=tmp_path,
        host=host,
        port=(port := free_port()),
        redis_host="127.0.0.1",
        redis_port=free_port(),
        ray_address=f"127.0.0.1:{free_port()}",
    )
    keeper = Keeper(tmp_path, settings, Plan(port, valkey=False, ray=False))
    running = asyncio.create_task(keeper.run())

    def ready() -> bool:
        [gateway] = [note for note in status_file.read(tmp_path) if note.role == "gateway"]
        return gateway.state == "ready"

    try:
        await eventually("the gateway is ready", ready, 20)
    finally:
        keeper.leave()
        await asyncio.wait([running])
        await process.kill(process.strays(tmp_path))
    await running
