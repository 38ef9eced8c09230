"""Persons who wrote while a limit held are remembered until it ends, and not for the life of the owner (G13)."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, cast

import pytest

from actors.connection.engine import InboxMessage
from actors.connection.limits.account_limits import Limits
from actors.connection.limits.message_deferral import LIMIT_CODES, MessageDeferral
from actors.runtime.actor_base import end_tasks
from tests.integration.queue.desk import SHOP
from tests.integration.queue.sending_child import Mute
from tests.waits import eventually

if TYPE_CHECKING:
    from actors.connection.owner.reporter import Reporter
    from tests.integration.queue.desk import Desk


def wrote(number: int) -> InboxMessage:
    chat = f"155501101{number:02d}@s.whatsapp.net"
    return InboxMessage(number, chat, chat, f"M{number}", 1_764_000_000, "text", "hello")


async def test_they_are_forgotten_with_the_limit(desk: Desk) -> None:
    lease = await desk.leases.read(SHOP)
    assert lease is not None
    now = time.time()
    reporter: Any = Mute()
    deferral = MessageDeferral(
        lease,
        desk.lanes,
        cast("Reporter", reporter),
        on_lost=pytest.fail,
        clock=lambda: now,
    )
    running = asyncio.ensure_future(deferral.run())
    try:
        await deferral.update(Limits(locked_until=now + 3600))
        deferral.lift_for(wrote(number) for number in range(50))
        await eventually("it is lifted for them", lambda: not deferral._owes, 10)
        assert len(deferral._heard) == 50 * len(LIMIT_CODES)
        await deferral.update(Limits())
        await eventually("they are forgotten", lambda: not deferral._heard, 5)
    finally:
        await end_tasks([running], 5)
