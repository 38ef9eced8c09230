"""A command is executed once or not at all, also where its owner dies before it answers: the next owner repeats none.

The child that dies has the real commands and the real engine; the judge is the simulator, which has the groups.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from actors.connection.owner.command_handler import CommandHandler
from actors.redis.client import connect
from actors.redis.commands import Commands, NoAnswer
from actors.redis.leases.leases import Leases, Owner
from tests.integration.engine.simulated import CONTACT, ROOT, Simulator, chat, device, died, pair
from tests.processes import forked
from tests.processes.valkey import PASSWORD

if TYPE_CHECKING:
    from tests.processes.valkey import Valkey

CHILD = Path(__file__).with_name("commanding_child.py")
CREATE = "create_group", {"subject": "Us", "participants": [chat(CONTACT)]}


def start(simulator: Simulator, server: Valkey, directory: Path) -> forked.Popen:
    of_server = server.settings()
    settings = {
        "data": str(directory),
        "whatsapp_url": simulator.ws_url,
        "whatsapp_root_key": simulator.root_key,
        "redis_host": of_server.redis_host,
        "redis_port": of_server.redis_port,
        "redis_password": PASSWORD,
    }
    told = {"settings": settings, "directory": str(directory)}
    with (directory / "child.log").open("wb") as log:
        return forked.Popen(
            [sys.executable, str(CHILD), json.dumps(told)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=log,
            stderr=log,
        )


async def test_killed_while_creating_a_group(
    simulator: Simulator, own_server: Valkey, tmp_path: Path
) -> None:
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
    settings = own_server.settings()
    redis = connect(settings)
    commands, theirs = Commands(redis, settings), Commands(redis, settings)
    try:
        dying = start(simulator, own_server, tmp_path)
        asking = asyncio.create_task(commands.request("shop", *CREATE, 40))
        await died(dying, tmp_path)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        lease = await Leases(redis).take("shop", Owner("second", os.getpid(), "here"))
        async with device(simulator, tmp_path, lease.epoch) as phone:
            await asyncio.wait_for(phone.opened.wait(), 40)
            watch: Any = cast("Any", None)
            obeying = asyncio.create_task(CommandHandler("shop", phone.engine, theirs, watch).run())
            listed = await commands.request("shop", "groups", {}, 40)
            assert [one["subject"] for one in listed["groups"]] == ["Us"]
            # A caller who repeats it creates another one: that is what the list is for.
            assert (await commands.request("shop", *CREATE, 40))["subject"] == "Us"
            listed = await commands.request("shop", "groups", {}, 40)
            assert len(listed["groups"]) == 2
            obeying.cancel()
            await asyncio.gather(obeying, return_exceptions=True)
    finally:
        await theirs.close()
        await redis.aclose()


async def test_a_command_whose_time_is_up_is_not_executed_later(
    simulator: Simulator, own_server: Valkey, tmp_path: Path
) -> None:
    """Nobody owns the connection while it is asked: the owner that comes later finds nothing."""
    settings = own_server.settings()
    redis = connect(settings)
    commands, theirs = Commands(redis, settings), Commands(redis, settings)
    try:
        async with device(simulator, tmp_path) as phone:
            await pair(simulator, phone)
            with pytest.raises(NoAnswer):
                await commands.request("shop", *CREATE, 0.3)
            watch: Any = cast("Any", None)
            obeying = asyncio.create_task(CommandHandler("shop", phone.engine, theirs, watch).run())
            assert await commands.request("shop", "groups", {}, 40) == {"groups": []}
            obeying.cancel()
            await asyncio.gather(obeying, return_exceptions=True)
    finally:
        await theirs.close()
        await redis.aclose()
