"""Requests for stanzas that wait at WhatsApp: to the last one, and none where nothing waits."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, cast

from actors.connection.native.receive.offline_queue import STANZAS_PER_REQUEST, OfflineQueue

if TYPE_CHECKING:
    import pytest

    from actors.connection.native.transport.socket import Socket
    from actors.connection.protocol.wire_format.nodes import Node


class Server:
    """Hands out a batch each time it is asked; `late` leaves the first questions unanswered."""

    def __init__(self, count: int, late: int = 0, patience: float = 0.02) -> None:
        self.left, self.late = count, late
        self.asked = 0
        self.queue = OfflineQueue(cast("Socket", self), patience=patience)

    async def send(self, node: Node) -> None:
        (batch,) = node.children("offline_batch")
        assert batch.attrs == {"count": "100"}
        self.asked += 1
        if self.asked <= self.late:
            return
        for _ in range(min(STANZAS_PER_REQUEST, self.left)):
            self.left -= 1
            self.queue.arrived()

    async def hand_out(self, announced: int) -> None:
        if self.queue.announce(announced):
            await asyncio.wait_for(self.queue.run(), 5)


async def test_all_of_it_is_asked_for_batch_by_batch() -> None:
    """At once where a batch is whole, without waiting for silence."""
    for count, questions in (
        (1, 1),
        (STANZAS_PER_REQUEST, 1),
        (STANZAS_PER_REQUEST + 1, 2),
        (5 * STANZAS_PER_REQUEST, 5),
    ):
        server = Server(count, patience=60)
        await server.hand_out(count)
        assert (server.left, server.asked) == (0, questions)


async def test_nothing_is_asked_for_where_nothing_waits() -> None:
    server = Server(0)
    await server.hand_out(0)
    assert server.asked == 0


async def test_a_question_that_was_lost_is_repeated_more_and_more_rarely(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waits = list[float]()
    timeout = asyncio.timeout

    def noted(seconds: float) -> asyncio.Timeout:
        waits.append(seconds)
        return timeout(seconds)

    monkeypatch.setattr(asyncio, "timeout", noted)
    server = Server(7, late=3)
    await server.hand_out(7)
    assert (server.left, server.asked) == (0, 4)
    assert waits == [0.02, 0.04, 0.08]


async def test_the_end_ends_it_whatever_was_announced() -> None:
    server = Server(3)
    assert server.queue.announce(9)
    running = asyncio.create_task(server.queue.run())
    await asyncio.sleep(0)
    assert not server.queue.announce(6), "it is being asked for"
    server.queue.ended()
    await asyncio.wait_for(running, 5)
    assert server.asked == 1
    with suppress(TimeoutError):
        await asyncio.wait_for(server.queue.run(), 0.1)
    assert server.asked == 1
