"""G6, G7: one owner at a time, and what another engine had linked goes on."""

from __future__ import annotations

import os
import signal
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from actors.connection.session import SESSION_FILE
from actors.connection.session.session import Session
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


def freeze_outside_a_transaction(pid: int, session: Path) -> None:
    """SIGSTOP at a moment at which the process does not hold the write lock of its session's file."""

    def frozen() -> bool:
        os.kill(pid, signal.SIGSTOP)
        until(lambda: psutil.Process(pid).status() == psutil.STATUS_STOPPED, 10)
        with closing(sqlite3.connect(session, timeout=0, isolation_level=None)) as database:
            try:
                database.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                    raise
                os.kill(pid, signal.SIGCONT)
                return False
            database.execute("ROLLBACK")
        return True

    until(frozen, 30)


def test_an_older_program_writes_nothing(town: Town) -> None:
    """Its actor hangs, so that nobody ends it, when a newer owner has the keys."""
    directory = town.acquainted()
    older = town.made(directory=directory, epoch=2, reconnect=False)
    program = older.wait("open")["program"]
    freeze_outside_a_transaction(older.process.pid, directory / SESSION_FILE)
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
