"""The move of skipped keys out of a session file of version 18, which that release's code wrote."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from actors.connection.native.signal.device_sessions import Signal
from actors.connection.native.signal.group_keys import GroupKeys
from actors.connection.native.signal.session_renewal import renew
from actors.connection.session import skipped_keys_migration
from actors.connection.session.schema import APPLICATION_ID
from actors.connection.session.schema_changes import VERSION
from actors.connection.session.session import Session, StaleEpoch

PEER = "15550100001@s.whatsapp.net"
GROUP = "120363000000000001@g.us"
MADE: Any = json.loads(Path(__file__).with_name("version_18.json").read_text())
"""A dump of the file, and messages for which it keeps keys: of three sessions with two chains each."""


@pytest.fixture
def former(tmp_path: Path) -> Path:
    path = tmp_path / "session.db"
    with closing(sqlite3.connect(path)) as file:
        file.executescript("\n".join(MADE["dump"]))
        file.execute(f"PRAGMA application_id={APPLICATION_ID}")
        file.execute("PRAGMA user_version=18")
    return path


async def read_all(session: Session) -> None:
    """Each message for which the file had a key, and the next on each chain."""
    signal, keys = Signal(session), GroupKeys(session)
    for kind, data, text in [*MADE["late"], MADE["next"]]:
        await signal.prepare(PEER, kind, bytes.fromhex(data))
        async with session.transaction():
            assert await signal.decrypt(PEER, kind, bytes.fromhex(data)) == text.encode()
    async with session.transaction():
        for data, text in [*MADE["group"], (MADE["group_next"], "next")]:
            assert keys.decrypt(GROUP, PEER, bytes.fromhex(data)) == text.encode()


def kept(session: Session) -> list[tuple[int, int]]:
    """Numbers of keys as noted and as stored, of each session and each sender key."""
    return session.rows(
        "SELECT kept, (SELECT count(*) FROM skipped_keys WHERE ratchet = ratchets.id) FROM ratchets"
        " UNION ALL SELECT kept, (SELECT count(*) FROM skipped_sender_keys"
        " WHERE sender_key = number) FROM sender_keys"
    )


async def test_all_keys_are_kept(former: Path) -> None:
    with closing(Session.open(former, 9)) as session:
        assert kept(session) == [(10, 10), (10, 10), (10, 10), (5, 5)]
        assert max(len(one.state) for one in session.keys.ratchets(PEER)) < 2_000
        await read_all(session)
        assert all(noted == stored for noted, stored in kept(session))


async def test_a_move_that_is_cut_short_goes_on_at_the_next_opening(
    former: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each share is a transaction of its own: one that is committed stays moved."""
    monkeypatch.setattr(skipped_keys_migration, "SESSIONS", 1)
    moved: list[int] = []
    move = skipped_keys_migration._move_sessions

    def die_in_the_third(writer: sqlite3.Connection, last: int) -> int | None:
        if len(moved) == 2:
            move(writer, last)
            raise ZeroDivisionError
        moved.append(last)
        return move(writer, last)

    with monkeypatch.context() as broken:
        broken.setattr(skipped_keys_migration, "_move_sessions", die_in_the_third)
        with pytest.raises(ZeroDivisionError):
            Session.open(former, 9)
    with closing(sqlite3.connect(former)) as file:
        left = "SELECT count(*) FROM ratchets WHERE instr(state, 'skipped_message_keys')"
        assert file.execute(left).fetchone() == (1,), "two shares were committed, and no third"
        assert file.execute("SELECT count(*) FROM skipped_keys").fetchone() == (20,)
        assert file.execute("PRAGMA user_version").fetchone() == (VERSION,)
    with closing(Session.open(former, 9)) as session:
        assert kept(session) == [(10, 10), (10, 10), (10, 10), (5, 5)]
        await read_all(session)


def test_a_newer_owner_ends_the_move(former: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """G6: the next share is refused, and the successor goes on with it."""
    monkeypatch.setattr(skipped_keys_migration, "SESSIONS", 1)
    move = skipped_keys_migration._move_sessions

    def taken_over(writer: sqlite3.Connection, last: int) -> int | None:
        found = move(writer, last)
        writer.execute("UPDATE file SET epoch = 10")
        return found

    with monkeypatch.context() as fenced:
        fenced.setattr(skipped_keys_migration, "_move_sessions", taken_over)
        with pytest.raises(StaleEpoch):
            Session.open(former, 9)
    with closing(Session.open(former, 10)) as session:
        assert kept(session) == [(10, 10), (10, 10), (10, 10), (5, 5)]


async def test_an_old_copy_reads_with_what_it_kept(former: Path) -> None:
    """A copy that is not provably the last is renewed: it sends on none of its sessions, and reads on all."""
    with closing(Session.open(former, 9)) as session:
        await renew(session)
        assert not any(one.current for one in session.keys.ratchets(PEER))
        await read_all(session)
        assert not any(one.current for one in session.keys.ratchets(PEER))


def test_the_keys_are_gone_from_where_they_were(former: Path) -> None:
    seeds = [key for (key,) in _rows(former, "SELECT skipped FROM sender_keys")]
    Session.open(former, 9).close()
    assert seeds
    assert len(seeds[0]) == 5 * 36
    columns = [row[1] for row in _rows(former, "PRAGMA table_info(sender_keys)")]
    assert "skipped" not in columns
    assert not _rows(former, "SELECT 1 FROM ratchets WHERE instr(state, 'skipped')")


def _rows(path: Path, sql: str) -> list[Any]:
    with closing(sqlite3.connect(path)) as file:
        return file.execute(sql).fetchall()
