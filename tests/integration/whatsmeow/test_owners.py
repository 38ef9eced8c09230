"""G6, G7: one owner at a time, and what another engine had linked goes on."""

from __future__ import annotations

import importlib.util
import os
import signal
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from actors.connection.session.session import Session
from actors.connection.whatsmeow import SESSION_FILE
from tests.conformance.processes import until

if TYPE_CHECKING:
    from tests.integration.whatsmeow.conftest import Town

pytestmark = pytest.mark.timeout(180)


def test_an_older_owner_stores_and_sends_nothing(town: Town) -> None:
    """It is open when a newer one takes the files; whatever comes is the newer one's."""
    directory = town.acquainted()
    older = town.made(directory=directory, epoch=2, reconnect=False)
    older.wait("open")
    with closing(Session.open(directory / SESSION_FILE, 3)):
        pass
    town.say("for the newer one")
    ended = older.wait("ended", 30)
    assert (ended["kind"], ended["detail"]) == ("replaced", "stale_epoch")
    assert town.account["unacknowledged"] >= 1, "the older one acknowledged it"
    id_ = older.begin(town.friend, "from the older one")
    assert older.wait("failed")["code"] == "not_connected"
    newer = town.made(directory=directory, epoch=3)
    newer.wait("open")
    town.goes_on(newer)
    assert [one["text"] for one in newer.pending("message")].count("for the newer one") == 1
    assert "from the older one" not in town.simulator.texts(town.friend)
    assert id_ not in [one["id"] for one in town.simulator.inbox(town.friend)]


def test_an_older_program_writes_nothing(town: Town) -> None:
    """Its actor hangs, so that nobody ends it, when a newer owner has the keys."""
    directory = town.acquainted()
    older = town.made(directory=directory, epoch=2, reconnect=False)
    program = older.wait("open")["program"]
    os.kill(older.process.pid, signal.SIGSTOP)
    try:
        newer = town.made(directory=directory, epoch=3)
        newer.wait("open")
        town.goes_on(newer)
    finally:
        os.kill(older.process.pid, signal.SIGCONT)
    ended = older.wait("ended", 30)
    assert ended["kind"] == "replaced", ended
    older.begin(town.friend, "from the older one")
    assert older.wait("failed")["code"] == "not_connected"
    town.goes_on(newer)
    assert "from the older one" not in town.simulator.texts(town.friend)
    older.process.kill()
    until(lambda: not Path(f"/proc/{program}").exists(), 10)


@pytest.mark.skipif(importlib.util.find_spec("neonize") is None, reason="neonize is not installed")
def test_what_neonize_linked_goes_on_without_a_qr(town: Town) -> None:
    before = town.linked(engine="neonize")
    town.goes_on(before)
    town.simulator.settled(town.number)
    before.close()
    town.say("while nobody was there")
    after = town.made(directory=before.directory, epoch=2)
    after.wait("open")
    assert "qr" not in [one["event"] for one in after.process.seen]
    town.goes_on(after)
    texts = [one["text"] for one in after.pending("message")]
    assert texts.count("while nobody was there") == 1
