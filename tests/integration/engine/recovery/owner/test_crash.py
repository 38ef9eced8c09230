"""G3, G5: the engine is killed at each step while messages are in flight, and another goes on.

The child that dies runs the product with one step replaced (`crashing_child.py`). The judge is the
simulator for what the contact got, and the session file for what arrived.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from actors.connection.native.receive.stanza_handler import MAX_RETRIES
from actors.connection.protocol.receive.stanza_receiver import Receiver
from actors.connection.session import SESSION_FILE
from tests.integration.engine.simulated import (
    ACCOUNT,
    CONTACT,
    PATIENCE,
    ROOT,
    Device,
    Simulator,
    chat,
    device,
    message_id,
    pair,
    until,
)
from tests.processes import forked

if TYPE_CHECKING:
    from collections.abc import Sequence

COUNT = 20

SHOWN = "kind = 'message' AND type = 'undecryptable'"

CHILD = Path(__file__).with_name("crashing_child.py")


def start(
    simulator: Simulator,
    directory: Path,
    point: str,
    *,
    at: int,
    sends: Sequence[tuple[str, str, str | dict[str, Any]]],
    batch: int = 4,
) -> forked.Popen:
    asked = {
        "settings": {
            "data": str(directory),
            "whatsapp_url": simulator.ws_url,
            "whatsapp_root_key": simulator.root_key,
            "whatsapp_media_authority": simulator.media_authority,
        },
        "directory": str(directory),
        "epoch": 2,
        "point": point,
        "at": at,
        "sends": sends,
        "batch": batch,
    }
    with (directory / "child.log").open("wb") as log:
        return forked.Popen(
            [sys.executable, str(CHILD), json.dumps(asked)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=log,
            stderr=log,
        )


async def died(child: forked.Popen, directory: Path) -> None:
    """The child killed itself: without that the test proves nothing."""
    try:
        await asyncio.to_thread(child.wait, PATIENCE)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
        raise AssertionError("the step was never reached") from None
    assert child.returncode == -signal.SIGKILL, (directory / "child.log").read_text()[-2000:]


async def prepare(
    simulator: Simulator, directory: Path, *, talked: bool, kind: str = "native"
) -> None:
    """Pair; with `talked` both have a session that the other has answered on."""
    async with device(simulator, directory, kind=kind) as phone:
        await pair(simulator, phone)
        if talked:
            await phone.send(0, "opening", space=9)
            await until(lambda: simulator.inbox(CONTACT))
            await simulator.say(CONTACT, ACCOUNT, "opening")
            await until(phone.messages)
            await phone.send(1, "opening 2", space=9)
        await until(lambda: _unacknowledged_is(simulator, 0))
        await phone.settle_all()


async def goes_on(simulator: Simulator, phone: Device) -> None:
    """Later messages decrypt in both directions, and nothing waits at WhatsApp."""
    for n in range(3):
        await simulator.say(CONTACT, ACCOUNT, f"later in {n}")
        await phone.send(n, f"later out {n}", space=8)
    await until(lambda: _has_texts(phone, [f"later in {n}" for n in range(3)]))
    await until(lambda: _contact_has(simulator, [f"later out {n}" for n in range(3)]))
    await until(lambda: _unacknowledged_is(simulator, 0))


def resends(directory: Path) -> int:
    """Returns the number of retry requests of both sides: each shows a broken ratchet."""
    return counted(directory, "SELECT count(*) FROM retries")


def counted(directory: Path, what: str) -> int:
    """Returns the count that a query gives in the session file, which nobody has open."""
    with closing(sqlite3.connect(directory / SESSION_FILE)) as file:
        return int(file.execute(what).fetchone()[0])


RECEIVING = ("before_decrypting", "before_inbox_commit", "before_ack", "after_ack")


@pytest.mark.parametrize(
    ("talked", "point"),
    [
        pytest.param(False, "before_preparing", id="first contact, before preparing"),
        *(pytest.param(False, point, id=f"first contact, {point}") for point in RECEIVING),
        *(pytest.param(True, point, id=f"old acquaintance, {point}") for point in RECEIVING),
    ],
)
async def test_killed_while_receiving(
    simulator: Simulator, tmp_path: Path, point: str, *, talked: bool
) -> None:
    """G5: each of the messages is in the inbox once, at whatever step the process died."""
    await prepare(simulator, tmp_path, talked=talked)
    texts = [f"in {n}" for n in range(COUNT)]
    for text in texts:
        await simulator.say(CONTACT, ACCOUNT, text)
    # Of the first batch the first message alone is prepared: what follows is read in the session that it makes.
    at = 1 if point == "before_preparing" else 7
    child = start(simulator, tmp_path, point, at=at, sends=[])
    await died(child, tmp_path)
    await until(lambda: _is_offline(simulator))
    waiting = await _unacknowledged(simulator)
    print(f"{point}: {waiting} of {COUNT} in flight at the kill")
    assert waiting > 0
    async with device(simulator, tmp_path, epoch=3) as phone:
        await until(lambda: _has_texts(phone, texts))
        await asyncio.wait_for(phone.opened.wait(), PATIENCE)
        await goes_on(simulator, phone)
        got = [one.text for one in await phone.messages()]
        assert resends(tmp_path) == 0
    assert got == [*texts, *(f"later in {n}" for n in range(3))]


@pytest.mark.parametrize("point", ["before_inbox_commit", "before_ack", "after_ack"])
async def test_killed_while_the_own_phone_sends(
    simulator: Simulator, tmp_path: Path, point: str
) -> None:
    """G5: what the account's phone sent is in the contact's chat once, as outgoing."""
    await prepare(simulator, tmp_path, talked=True)
    texts = [f"own {n}" for n in range(COUNT)]
    for text in texts:
        await simulator.phone_says(CONTACT, text)
    await died(start(simulator, tmp_path, point, at=7, sends=[]), tmp_path)
    await until(lambda: _is_offline(simulator))
    waiting = await _unacknowledged(simulator)
    print(f"{point}: {waiting} stanzas in flight, receipts among them, at the kill")
    assert waiting > 0
    async with device(simulator, tmp_path, epoch=3) as phone:
        await until(lambda: _has_texts(phone, texts))
        await asyncio.wait_for(phone.opened.wait(), PATIENCE)
        await goes_on(simulator, phone)
        got = [one for one in await phone.messages() if one.text in texts]
        assert resends(tmp_path) == 0
    assert [one.text for one in got] == texts
    assert {(one.chat, one.from_me) for one in got} == {(chat(CONTACT), True)}


@pytest.mark.parametrize(
    "point", ["before_question_commit", "before_question_leaves", "after_question_left"]
)
async def test_killed_while_asking_for_messages_again(
    simulator: Simulator, tmp_path: Path, point: str
) -> None:
    """G5: each is there once, and was never shown as a placeholder; each question is on disk first."""
    await prepare(simulator, tmp_path, talked=True)
    fault = await simulator.fault("garble", count=COUNT)
    texts = [f"in {n}" for n in range(COUNT)]
    for text in texts:
        await simulator.say(CONTACT, ACCOUNT, text)
    await died(start(simulator, tmp_path, point, at=7, sends=[]), tmp_path)
    await until(lambda: _is_offline(simulator))
    assert await simulator.struck(fault) >= 7
    asked = counted(tmp_path, "SELECT coalesce(sum(count), 0) FROM retries")
    assert asked >= (await _account(simulator))["retries"]
    assert counted(tmp_path, f"SELECT count(*) FROM inbox WHERE {SHOWN}") == 0
    waiting = await _unacknowledged(simulator)
    print(f"{point}: {waiting} of {COUNT} in flight at the kill")
    assert waiting > 0
    async with device(simulator, tmp_path, epoch=3) as phone:
        await until(lambda: _has_texts(phone, texts))
        await asyncio.wait_for(phone.opened.wait(), PATIENCE)
        await goes_on(simulator, phone)
        got = [(one.text, one.type) for one in await phone.messages()]
        assert not phone.engine._session.inbox.wants()
    expected = [*texts, *(f"later in {n}" for n in range(3))]
    assert sorted(got) == sorted((text, "text") for text in expected)


@pytest.mark.parametrize(
    ("point", "at"),
    [("before_inbox_commit", 1), ("before_ack", MAX_RETRIES + 1), ("after_ack", MAX_RETRIES + 1)],
)
async def test_killed_while_giving_a_message_up(
    simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str, at: int
) -> None:
    """G5: its placeholder is there once, and it does not come again at every login for ever."""
    assert Receiver.__init__.__kwdefaults__ is not None
    monkeypatch.setitem(Receiver.__init__.__kwdefaults__, "patience", 1.0)
    await prepare(simulator, tmp_path, talked=True)
    fault = await simulator.fault("garble", count=99)
    await simulator.say(CONTACT, ACCOUNT, "never")
    await died(start(simulator, tmp_path, point, at=at, sends=[]), tmp_path)
    await until(lambda: _is_offline(simulator))
    assert await simulator.struck(fault) > MAX_RETRIES
    async with device(simulator, tmp_path, epoch=3) as phone:
        await until(lambda: _unacknowledged_is(simulator, 0))
        await until(lambda: not phone.engine._session.inbox.wants())
        await simulator.heal()
        await asyncio.wait_for(phone.opened.wait(), PATIENCE)
        await goes_on(simulator, phone)
        types = [one.type for one in await phone.messages()]
    assert types == ["undecryptable", "text", "text", "text"]


@pytest.mark.parametrize("talked", [False, True], ids=["first contact", "old acquaintance"])
@pytest.mark.parametrize(
    "point", ["before_ratchet_commit", "before_bytes_leave", "after_bytes_left"]
)
async def test_killed_while_sending(
    simulator: Simulator, tmp_path: Path, point: str, talked: bool
) -> None:
    """G3: sent again under the same ids by the next owner, each text reaches the contact once."""
    await prepare(simulator, tmp_path, talked=talked)
    texts = [f"out {n}" for n in range(COUNT)]
    sends = [(message_id(n), chat(CONTACT), text) for n, text in enumerate(texts)]
    child = start(simulator, tmp_path, point, at=7, sends=sends)
    await died(child, tmp_path)
    await until(lambda: _is_offline(simulator))
    arrived = [one for one in await simulator.inbox(CONTACT) if one["text"].startswith("out")]
    print(f"{point}: {COUNT - len(arrived)} of {COUNT} in flight at the kill")
    assert len(arrived) < COUNT
    async with device(simulator, tmp_path, epoch=3) as phone:
        await asyncio.wait_for(phone.opened.wait(), PATIENCE)
        await asyncio.gather(*(phone.send(n, text) for n, text in enumerate(texts)))
        await until(lambda: _contact_has(simulator, texts))
        await goes_on(simulator, phone)
        assert resends(tmp_path) == 0
    got = [one for one in await simulator.inbox(CONTACT) if not one["text"].startswith("opening")]
    assert [one["text"] for one in got] == [*texts, *(f"later out {n}" for n in range(3))]
    assert [one["id"] for one in got[:COUNT]] == [number for number, _, _ in sends]
    twice = sum(one["deliveries"] > 1 for one in got)
    print(f"{point}: {twice} ids came more than once")


async def _account(simulator: Simulator) -> dict[str, Any]:
    return await simulator.account(ACCOUNT)


async def _unacknowledged(simulator: Simulator) -> int:
    return int((await _account(simulator))["unacknowledged"])


async def _unacknowledged_is(simulator: Simulator, count: int) -> bool:
    return await _unacknowledged(simulator) == count


async def _is_offline(simulator: Simulator) -> bool:
    return not (await _account(simulator))["online"]


async def _has_texts(phone: Device, texts: list[str]) -> bool:
    return set(texts) <= {one.text for one in await phone.messages()}


async def _contact_has(simulator: Simulator, texts: list[str]) -> bool:
    return set(texts) <= {one["text"] for one in await simulator.inbox(CONTACT)}
