"""An old copy of the session is restored, and conversations in both directions go on.

The simulator is the oracle: its contacts decrypt for themselves, and a message key that was used
twice is one that they cannot read.
"""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections import Counter
from contextlib import closing, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from actors.connection.backup.session_snapshot import snapshot
from actors.connection.native import renew_session
from actors.connection.native.signal import prekeys
from actors.connection.session import SESSION_FILE
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

OTHERS = ("15550100003", "15550100004", "15550100005")


class HostDied(Exception):  # noqa: N818 - an event
    """The host died before it acknowledged its messages."""


async def test_conversations_go_on_after_an_old_copy(simulator: Simulator, tmp_path: Path) -> None:
    """G3, G7: with sessions known to the copy, unknown to it, and moved on since; no QR.

    Meanwhile the lost session sent, received, met new people, uploaded and gave away prekeys.
    """
    kept = tmp_path / "kept.db"
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
        for number, contact in enumerate((CONTACT, OTHERS[0]), 1):
            await phone.send(number, f"first to {contact}", to=contact)
            await simulator.say(contact, ACCOUNT, f"first from {contact}")
            await until(partial(_has, phone, f"first from {contact}"))
    shutil.copy(tmp_path / SESSION_FILE, kept)
    async with device(simulator, tmp_path, epoch=2, whatsapp_signed_prekey_age=60_000) as phone:
        await asyncio.wait_for(phone.opened.wait(), 10)
        # With the first contact the ratchet turns; to the second more is sent on the chain there is.
        for number in range(3):
            await phone.send(10 + number, f"lost {number}", to=CONTACT)
            await simulator.say(CONTACT, ACCOUNT, f"lost answer {number}")
            await until(partial(_has, phone, f"lost answer {number}"))
            await phone.send(20 + number, f"lost too {number}", to=OTHERS[0])
        await simulator.say(OTHERS[1], ACCOUNT, "who the copy never heard of")
        await until(lambda: _has(phone, "who the copy never heard of"))
        await phone.send(30, "answer", to=OTHERS[1])
        await simulator.trim_prekeys(0)  # so that others go up, which the copy does not have
        await until(lambda: _prekeys(simulator, prekeys.FEW))
    shutil.copy(kept, tmp_path / SESSION_FILE)
    await simulator.say(CONTACT, ACCOUNT, "while away")
    await renew_session(tmp_path / SESSION_FILE, 3)
    async with device(simulator, tmp_path, epoch=3) as phone:
        await asyncio.wait_for(phone.opened.wait(), 10)
        assert phone.qrs.empty()
        await until(lambda: _has(phone, "while away"))
        everyone = (CONTACT, *OTHERS)
        for number, contact in enumerate(everyone):
            await phone.send(100 + number, f"again to {contact}", to=contact)
        for contact in everyone:
            await simulator.say(contact, ACCOUNT, f"again from {contact}")
            await until(partial(_has, phone, f"again from {contact}"))
        for number, contact in enumerate(everyone):
            await phone.send(200 + number, f"last to {contact}", to=contact)
        for contact in everyone:
            texts = [f"again to {contact}", f"last to {contact}"]
            await until(partial(_ends, simulator, contact, texts))
        assert "undecryptable" not in {one.type for one in await phone.messages()}
        await until(lambda: _idle(simulator))
        # Messages on a fresh session decrypt at once: nobody requests them again.
        assert phone.engine.counts["resend.resent"] == 0


async def test_a_spent_session_decrypts_and_is_never_sent_on(
    simulator: Simulator, tmp_path: Path
) -> None:
    """A message that waited was encrypted on the old session: it is read without asking for it."""
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
        await phone.send(1, "one")
        await simulator.say(CONTACT, ACCOUNT, "one")
        await until(lambda: _has(phone, "one"))
    await simulator.say(CONTACT, ACCOUNT, "waited")
    await renew_session(tmp_path / SESSION_FILE, 2)
    async with device(simulator, tmp_path, epoch=2) as phone:
        await until(lambda: _has(phone, "waited"))
        one, waited = await phone.messages()
        assert waited.key > one.key + 60_000, "the lost file may have given the places in between"
        assert phone.engine.counts["message.asked_for"] == 0
        assert _current(tmp_path) == []
        await asyncio.wait_for(phone.opened.wait(), 10)
        await phone.send(2, "two")
        await until(lambda: _ends(simulator, CONTACT, ["one", "two"]))
        assert len(_current(tmp_path)) == 1


async def test_what_the_lost_session_answered_is_answered_on_a_fresh_one(
    simulator: Simulator, tmp_path: Path
) -> None:
    """G4: a first message that was not acknowledged comes again, and its session is one of the lost file."""
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
    shutil.copy(tmp_path / SESSION_FILE, tmp_path / "kept.db")
    # A message is acknowledged once it is stored elsewhere.
    cloud: dict[str, Any] = {
        "session_storage_type": "cloud",
        "storage_bucket": "none",
        "session_encryption_key": "5e" * 32,
    }
    with suppress(HostDied):
        async with device(simulator, tmp_path, epoch=2, **cloud) as phone:
            await asyncio.wait_for(phone.opened.wait(), 10)
            await simulator.say(CONTACT, ACCOUNT, "first")
            await until(lambda: _has(phone, "first"))
            await phone.send(1, "answer")
            await until(lambda: _ends(simulator, CONTACT, ["answer"]))
            raise HostDied
    shutil.copy(tmp_path / "kept.db", tmp_path / SESSION_FILE)
    await renew_session(tmp_path / SESSION_FILE, 3)
    async with device(simulator, tmp_path, epoch=3, **cloud) as phone:
        await until(lambda: _has(phone, "first"))
        await asyncio.wait_for(phone.opened.wait(), 10)
        await phone.send(2, "again")
        await until(lambda: _ends(simulator, CONTACT, ["answer", "again"]))
        assert phone.engine.counts["message.asked_for"] == 0
        assert phone.engine.counts["resend.resent"] == 0
        await phone.settle_all()


async def test_one_session_is_begun_for_all_that_waited(
    simulator: Simulator, tmp_path: Path
) -> None:
    """G4: a contact that begins one for each message forgets those that it reads the account by."""
    contacts = (CONTACT, *OTHERS[:2])
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
        for turn in range(4):
            if turn == 1:
                snapshot(tmp_path / SESSION_FILE, tmp_path / "kept.db")
            for number, contact in enumerate(contacts):
                await phone.send(10 * turn + number, f"before {turn}", to=contact)
                await simulator.say(contact, ACCOUNT, f"before {turn} {contact}")
                await until(partial(_has, phone, f"before {turn} {contact}"))
    for number in range(150):
        for contact in contacts:
            await simulator.say(contact, ACCOUNT, f"waited {number}")
    shutil.copy(tmp_path / "kept.db", tmp_path / SESSION_FILE)
    await renew_session(tmp_path / SESSION_FILE, 2)
    async with device(simulator, tmp_path, epoch=2) as phone:
        await asyncio.wait_for(phone.opened.wait(), 10)
        for number in range(20):
            for place, contact in enumerate(contacts):
                await phone.send(100 + 3 * number + place, f"again {number}", to=contact)
                await simulator.say(contact, ACCOUNT, f"again {number}")
        await until(lambda: _idle(simulator))
        for contact in contacts:
            texts = [f"again {number}" for number in range(20)]
            await until(partial(_ends, simulator, contact, texts))
        assert phone.engine.counts["resend.resent"] == 0
    # The copy's, the one that was set up here, and the one that the contact begins.
    assert max(_sessions(tmp_path).values()) <= 3


async def test_prekeys_of_a_renewed_session_are_new_ones(
    simulator: Simulator, tmp_path: Path
) -> None:
    """No id comes again, and the server gets fresh ones at once."""
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
    with closing(sqlite3.connect(tmp_path / SESSION_FILE)) as file:
        before = file.execute("SELECT max(id) FROM prekeys").fetchone()[0]
        signed = file.execute("SELECT max(id) FROM signed_prekeys").fetchone()[0]
    await renew_session(tmp_path / SESSION_FILE, 2)
    async with device(simulator, tmp_path, epoch=2) as phone:
        await asyncio.wait_for(phone.opened.wait(), 10)
        await until(lambda: _prekeys(simulator, prekeys.UPLOADED_PREKEYS + 1))
    with closing(sqlite3.connect(tmp_path / SESSION_FILE)) as file:
        fresh = file.execute(
            "SELECT min(id) FROM prekeys WHERE id > ? AND published = 1", (before,)
        )
        assert fresh.fetchone()[0] > before + 60_000
        assert file.execute("SELECT max(id) FROM signed_prekeys").fetchone()[0] > signed + 1


def _current(directory: Path) -> list[str]:
    with closing(sqlite3.connect(directory / SESSION_FILE)) as file:
        rows = file.execute("SELECT address FROM ratchets WHERE current = 1 AND spent = 0")
        return [address for (address,) in rows if not address.startswith(ACCOUNT)]


def _sessions(directory: Path) -> Counter[str]:
    with closing(sqlite3.connect(directory / SESSION_FILE)) as file:
        return Counter(address for (address,) in file.execute("SELECT address FROM ratchets"))


async def _has(phone: Device, text: str) -> bool:
    return text in [one.text for one in await phone.messages()]


async def _ends(simulator: Simulator, contact: str, texts: list[str]) -> bool:
    return [item["text"] for item in await simulator.inbox(contact)][-len(texts) :] == texts


async def _prekeys(simulator: Simulator, least: int) -> bool:
    return int((await simulator.account(ACCOUNT))["prekeys"]) >= least


async def _idle(simulator: Simulator) -> bool:
    return bool((await simulator.account(ACCOUNT))["unacknowledged"] == 0)
