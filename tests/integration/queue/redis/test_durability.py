"""G1 as the kernel sees it: kill -9 keeps the page cache, so only the order of calls proves it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from actors.queue.outbound_queue import OutboundQueue, Send
from actors.redis.client import connect
from tests.integration.queue.desk import ANA, SHOP
from tests.processes.tracing import STRACE, calls, under
from tests.processes.valkey import Valkey

if TYPE_CHECKING:
    from pathlib import Path

TEXT = "token-of-the-durability-test"


def synced_before_the_reply(trace: str) -> bool:
    """Whether the log was synced after the message was written to it and before the answer.

    Raises AssertionError when the trace shows no acceptance at all.
    """
    client = ""
    logged = synced = False
    for name, file, rest in calls(trace):
        if name in {"read", "recvfrom"} and TEXT in rest:
            assert "accept" in rest
            client = file
        elif not client:
            continue
        elif name in {"fsync", "fdatasync"}:
            synced = synced or (logged and ".aof" in file and rest.endswith("= 0"))
        elif ".aof" in file and TEXT in rest:
            logged = True
        elif file == client:
            assert "accepted" in rest
            assert logged
            return synced
    raise AssertionError("no acceptance in the trace")


async def trace(directory: Path, appendfsync: str) -> str:
    output = directory / "strace"
    with Valkey(directory / appendfsync, appendfsync=appendfsync, under=under(output)) as server:
        settings = server.settings()
        redis = connect(settings)
        lanes = OutboundQueue(redis, settings)
        await lanes.accept(Send(SHOP, ANA, "loads the script"))
        await lanes.accept(Send(SHOP, ANA, TEXT))
        await redis.aclose()
    return output.read_text()


@pytest.mark.skipif(STRACE is None, reason="strace is not installed, so no fsync can be seen")
async def test_g1_the_message_is_synced_to_disk_before_the_answer_leaves(tmp_path: Path) -> None:
    assert synced_before_the_reply(await trace(tmp_path, "always"))


@pytest.mark.skipif(STRACE is None, reason="strace is not installed, so no fsync can be seen")
async def test_a_server_that_does_not_sync_is_seen_not_to(tmp_path: Path) -> None:
    """The judge of the test above can say no."""
    assert not synced_before_the_reply(await trace(tmp_path, "no"))
