"""Requests that WhatsApp refuses for being too many (429): none follows for a while, and no message is lost by it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from actors.connection.engine import RequestsLimited, SendError
from actors.connection.whatsmeow import engine
from actors.connection.whatsmeow.request_pause import FIRST_PAUSE_SECONDS, RequestPause
from tests.integration.engine.simulated import (
    ACCOUNT,
    CONTACT,
    Simulator,
    chat,
    device,
    pair,
    until,
)

if TYPE_CHECKING:
    from pathlib import Path

STRANGERS = ("15550100003", "15550100004", "15550100005")


async def reached(simulator: Simulator, number: str, text: str) -> bool:
    return [one["text"] for one in await simulator.inbox(number)] == [text]


@pytest.mark.parametrize("kind", ["limit_queries", "refuse_prekeys"])
async def test_nothing_is_asked_until_the_pause_is_over(
    simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    now = [0.0]
    monkeypatch.setattr(engine, "RequestPause", lambda: RequestPause(lambda: now[0]))
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
        await phone.send(1, "before")
        fault = await simulator.fault(kind, code=429)
        with pytest.raises(RequestsLimited) as limited:
            await phone.send(2, "held back", to=STRANGERS[0])
        assert limited.value.seconds == FIRST_PAUSE_SECONDS
        asked = await simulator.struck(fault)
        assert asked > 0
        for number, stranger in enumerate(STRANGERS, 2):
            with pytest.raises(RequestsLimited):
                await phone.send(number, "held back", to=stranger)
        with pytest.raises(SendError, match="request_failed_429"):
            await phone.engine.lookup(chat(STRANGERS[0]))
        await phone.engine.presence(available=True)  # asks for nothing
        assert await simulator.struck(fault) == asked, "no storm"
        now[0] += FIRST_PAUSE_SECONDS
        with pytest.raises(RequestsLimited) as limited:
            await phone.send(2, "held back", to=STRANGERS[0])
        assert limited.value.seconds == 2 * FIRST_PAUSE_SECONDS
        assert await simulator.struck(fault) > asked
        await simulator.heal()
        now[0] += 2 * FIRST_PAUSE_SECONDS
        for number, stranger in enumerate(STRANGERS, 2):
            await phone.send(number, "held back", to=stranger)
            await until(lambda stranger=stranger: reached(simulator, stranger, "held back"))  # type: ignore[misc]
        assert phone.causes[1:] == [], "on the same login"


async def test_a_message_to_a_group_waits_as_well(
    simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(engine, "RequestPause", lambda: RequestPause(lambda: now[0]))
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
        made = await simulator.group(CONTACT, ACCOUNT, STRANGERS[0])
        fault = await simulator.fault("limit_queries")
        with pytest.raises(RequestsLimited):
            await phone.send(1, "to all", to=made)
        assert await simulator.struck(fault) == 1
        await simulator.heal()
        now[0] += FIRST_PAUSE_SECONDS
        await phone.send(1, "to all", to=made)
        await until(lambda: reached(simulator, STRANGERS[0], "to all"))
