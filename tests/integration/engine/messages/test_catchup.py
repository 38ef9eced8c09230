"""G5: what waited while the device was away is stored once each, in order, several per commit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.connection.protocol.receive.stanza_receiver import STANZAS_PER_COMMIT
from tests.integration.engine.messages.catchup import catch_up
from tests.integration.engine.simulated import (
    ACCOUNT,
    CONTACT,
    Device,
    Simulator,
    device,
    pair,
    until,
)

if TYPE_CHECKING:
    from pathlib import Path

COUNT = 1_000
SPREAD = 12


async def test_a_thousand_that_waited(simulator: Simulator, tmp_path: Path) -> None:
    caught = await catch_up(simulator, tmp_path, COUNT)
    assert [one.text for one in caught.messages] == [f"text {n}" for n in range(1, COUNT + 1)]
    assert {one.source for one in caught.messages} == {"offline"}
    assert len({one.message_id for one in caught.messages}) == COUNT
    assert caught.commits < COUNT
    print(
        f"{COUNT} in {caught.seconds:.2f} s with the login,"
        f" {COUNT / caught.seconds:.0f} per second, in {caught.commits} commits"
    )


async def test_bad_ones_among_them_spoil_no_other(simulator: Simulator, tmp_path: Path) -> None:
    """Each fails within a commit that it shares; it is asked for, and comes after the others."""
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
        await simulator.say(CONTACT, ACCOUNT, "before")
        await until(phone.messages)
        await until(lambda: _idle(simulator))  # or it comes again, and a fault strikes that
        await phone.settle_all()
    await simulator.say(CONTACT, ACCOUNT, "text", count=3 * STANZAS_PER_COMMIT)
    fault = await simulator.fault("garble", count=SPREAD)
    async with device(simulator, tmp_path, epoch=2) as phone:
        await until(lambda: _count(phone, 3 * STANZAS_PER_COMMIT), 60)
        assert await simulator.struck(fault) == SPREAD
        texts = [one.text for one in await phone.messages()]
        assert phone.engine.counts["message.asked_for"] == SPREAD
        assert phone.engine.counts["stanza.failed"] == 0
        await until(lambda: _idle(simulator))
    assert sorted(texts, key=_number) == [f"text {n}" for n in range(1, 3 * STANZAS_PER_COMMIT + 1)]
    orderly = [one for one in texts if _number(one) > SPREAD]
    assert orderly == sorted(orderly, key=_number)


def _number(text: str | None) -> int:
    assert text is not None
    return int(text.removeprefix("text "))


async def _count(phone: Device, count: int) -> bool:
    return len(await phone.messages()) == count


async def _idle(simulator: Simulator) -> bool:
    return bool((await simulator.account(ACCOUNT))["unacknowledged"] == 0)
