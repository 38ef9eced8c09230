"""Turns of a host, over tasks and processes."""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from actors.runtime.limits.host_turns import HostTurns

if TYPE_CHECKING:
    from pathlib import Path


async def test_no_more_have_a_turn_at_once(tmp_path: Path) -> None:
    at_once, most, done = 0, 0, 0

    async def work() -> None:
        nonlocal at_once, most, done
        # Each as another process has it.
        async with HostTurns(tmp_path, "work", 2).turn():
            at_once += 1
            most = max(most, at_once)
            await asyncio.sleep(0.01)
            at_once -= 1
            done += 1

    await asyncio.gather(*(work() for _ in range(6)))
    assert (most, done) == (2, 6)


async def test_a_process_that_inherited_a_turn_has_it_until_its_end(tmp_path: Path) -> None:
    turns = HostTurns(tmp_path, "work", 1)
    async with turns.turn() as descriptor:
        child = await asyncio.create_subprocess_exec(
            "cat", stdin=asyncio.subprocess.PIPE, pass_fds=(descriptor,)
        )
    assert turns._free() is None
    assert HostTurns(tmp_path, "other", 1)._free() is not None
    assert child.stdin is not None
    child.stdin.close()
    await child.wait()
    async with AsyncExitStack() as stack:
        assert os.fstat(await stack.enter_async_context(turns.turn()))
