"""G6, G7: the keys are copied with the session, and a restored copy goes on without a QR."""

from __future__ import annotations

import asyncio
import json
import shutil
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from actors.connection.backup.restore import OLDER_DIRECTORY, put_in_place
from actors.connection.backup.session_snapshot import beside, disclose, enclose, snapshot
from actors.connection.session import SESSION_FILE
from actors.connection.session.session import Session, StaleEpoch
from actors.connection.whatsmeow import DATABASE, renew_session
from actors.connection.whatsmeow.program import database_copies as keys
from tests.conformance.processes import until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.whatsmeow.conftest import Town

pytestmark = pytest.mark.timeout(180)


def copied(directory: Path, target: Path, epoch: int) -> None:
    """One copy of a session whose owner goes on, as the vault makes it: the keys first."""
    found = target.with_name("keys")
    asyncio.run(keys.copy(directory / DATABASE, epoch, found))
    snapshot(directory / SESSION_FILE, target)
    enclose(target, {DATABASE: found})


def restored(copy: Path, directory: Path, epoch: int) -> None:
    """The copy put in the place of the session, as at a takeover."""
    restoring = directory / "session.restoring"
    shutil.copy(copy, restoring)
    assert disclose(restoring) == [DATABASE]
    asyncio.run(renew_session(restoring, epoch))
    put_in_place(restoring, directory / SESSION_FILE, epoch, OLDER_DIRECTORY)
    assert not beside(restoring, DATABASE).exists()


def test_conversations_go_on_after_an_old_copy_was_restored(town: Town, tmp_path: Path) -> None:
    """Its ratchets were used since: no session of it is trusted, on either side."""
    device = town.linked()
    town.goes_on(device)
    copied(device.directory, tmp_path / "copy", 1)
    for text in ("the keys that the copy", "would use next"):
        device.send(town.friend, text)
    device.close()
    restored(tmp_path / "copy", device.directory, 3)
    aside = list((device.directory / OLDER_DIRECTORY).glob(f"*/{DATABASE}"))
    assert len(aside) == 1, "the newer keys are gone"
    after = town.made(directory=device.directory, epoch=3)
    after.wait("open")
    logins = after.logins(town.number)
    after.send(town.friend, "on a key of its own")
    until(lambda: town.simulator.texts(town.friend)[-1] == "on a key of its own")
    for _ in range(3):
        town.goes_on(after)
    assert after.logins(town.number) == logins
    assert "qr" not in [one["event"] for one in after.process.seen]
    texts = [one["text"] for one in after.pending("message")]
    assert len(texts) == len(set(texts))
    after.close()
    lines = map(json.loads, (after.directory / "engine.log").read_text().splitlines())
    counts = [line["counts"] for line in lines if line.get("action") == "socket.ended"][-1]
    assert "resend.resent" not in counts, "what went out could not be read: a key was used twice"


def test_who_is_gone_when_a_copy_was_made_is_served_from_it(town: Town, tmp_path: Path) -> None:
    """The copy of a clean stop, on another disk."""
    directory = town.acquainted()
    copied(directory, tmp_path / "copy", 1)
    other = tmp_path / "other"
    other.mkdir()
    restored(tmp_path / "copy", other, 2)
    after = town.made(directory=other, epoch=2)
    after.wait("open")
    town.goes_on(after)


def test_an_older_epoch_makes_no_copy(town: Town, tmp_path: Path) -> None:
    directory = town.acquainted()
    with closing(Session.open(directory / SESSION_FILE, 2)):
        later = town.made(directory=directory, epoch=3)
        later.wait("open")
    with pytest.raises(StaleEpoch):
        asyncio.run(keys.copy(directory / DATABASE, 1, tmp_path / "copy"))
    assert not (tmp_path / "copy").exists()
    town.goes_on(later)
