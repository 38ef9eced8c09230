"""G6, G7: one owner at a time, and what another engine had linked goes on."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from actors.connection.session import SESSION_FILE
from actors.connection.session.messages.message_secrets import MessageSecret
from actors.connection.session.session import Session
from actors.connection.whatsmeow import DATABASE
from actors.messages.content import Delete, Edit, PollVote, Quote, Reaction, Target, Text
from tests.conformance.processes import Client, absent, until
from tests.integration.whatsmeow.device import chat

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


OURS, POLL, OPTIONS = "3EB0A1B2C3D4E5F6A7B8C9", "3EB0A1B2C3D4E5F6A7B8CA", ("yes", "no")


def left_by_neonize(town: Town, directory: Path) -> tuple[str, str]:
    """The files of a connection of the former engine, which sent a text and a poll; WhatsApp's ids of both.

    The service calls them `OURS` and `POLL`. The keys are those of the library, as a client that nobody here
    wrote makes them; what is in the session file is what that engine wrote there.
    """
    client = Client("neonize", town.simulator, directory)
    try:
        client.pair(town.number)
        client.send(town.friend, "opens")
        town.say("opens, too")
        client.wait("message", text="opens, too")
        town.simulator.settled(town.number)
        poll = client.say(town.friend, "poll", text="Tea?", options=OPTIONS)
        town.simulator.post(f"/contacts/{town.friend}", read_after=3.0)
        theirs = client.send(town.friend, "before")
        until(lambda: town.simulator.texts(town.friend)[-1] == "before")
    finally:
        client.process.kill()
    for file in directory.glob("session.db*"):
        file.rename(directory / file.name.replace("session.db", "whatsmeow.db"))
    with closing(sqlite3.connect(directory / DATABASE)) as database:
        secrets = "SELECT key FROM whatsmeow_message_secrets WHERE message_id = ?"
        (secret,) = database.execute(secrets, (poll,)).fetchone()

    async def write(session: Session) -> None:
        async with session.transaction():
            found = MessageSecret(secret, OPTIONS)
            session.secrets.remember(chat(town.friend), chat(town.number), poll, found)
            for pair in ((OURS, theirs), (POLL, poll)):
                session.write("INSERT INTO aliases VALUES (?, ?, ?)", (*pair, time.time()))

    with closing(Session.open(directory / SESSION_FILE, 1)) as session:
        asyncio.run(write(session))
    return theirs, poll


@pytest.mark.skipif(bool(absent("neonize")), reason=str(absent("neonize")))
def test_what_neonize_linked_goes_on_without_a_qr(town: Town, tmp_path: Path) -> None:
    """Also receipts, replies, reactions, votes, edits and deletes find what it sent under another id."""
    theirs, poll = left_by_neonize(town, tmp_path)
    town.say("while nobody was there")
    until(lambda: bool(town.simulator.item(town.friend, theirs)))
    after = town.made(directory=tmp_path, epoch=2)
    after.wait("open")
    assert "qr" not in [one["event"] for one in after.process.seen]
    town.goes_on(after)
    texts = [one["text"] for one in after.pending("message")]
    assert texts.count("while nobody was there") == 1
    after.until_pending(
        "receipt", lambda one: (one["status"], one["message_ids"]) == ("read", [OURS])
    )

    target = Target(OURS, None)
    quoted = {"text": "why?", "reply_to": theirs}
    assert after.said(town.friend, quoted, town.number)[1] == Text("why?", Quote(target, "before"))
    reaction = {"type": "reaction", "target": theirs, "text": "+"}
    assert after.said(town.friend, reaction, town.number)[1] == Reaction(target, "+")
    vote = {"type": "vote", "target": poll, "options": ["no"]}
    assert after.said(town.friend, vote, town.number)[1] == PollVote(Target(POLL, None), ("no",))
    changes = (Reaction(target, "!"), Edit(target, "gladly"), Delete(target))
    for change in changes:
        shown = town.simulator.item(town.friend, after.send(town.friend, change))
        assert (shown["type"], shown["content"]["target"]["id"]) == (change.type, theirs)
    reply = after.send(town.friend, Text("so", Quote(target, "before")))
    assert town.simulator.item(town.friend, reply)["content"]["reply_to"]["id"] == theirs
