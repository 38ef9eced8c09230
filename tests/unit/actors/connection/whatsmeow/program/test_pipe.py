"""The pipe of a program that ends, on the event loop of an actor."""

from __future__ import annotations

import asyncio
import socket

import pytest
import uvloop

from actors.connection.whatsmeow.program.pipe import Pipe, PipeLost


def test_a_pipe_is_closed_though_something_is_left_to_be_written() -> None:
    """The program has ended, and nobody has read that yet."""

    async def ended() -> None:
        here, there = socket.socketpair()
        reader, writer = await asyncio.open_unix_connection(sock=here)
        pipe = Pipe(reader, writer, on_request=_ignore, on_event=_ignore)
        there.close()
        async with asyncio.timeout(10):
            while not writer.is_closing():
                pipe.instruct("seen")
                await asyncio.sleep(0.01)
        with pytest.raises(PipeLost):
            await pipe.request("send", within=10)
        pipe.instruct("seen")
        pipe.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(ended())


async def _ignore(*_: object) -> None:
    pass
