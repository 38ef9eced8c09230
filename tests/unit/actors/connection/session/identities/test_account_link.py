"""The time at which an account was linked first: on disk, for good, and 0 under an older release."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from actors.connection.session import file as session_file
from actors.connection.session.session import Session

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.actors.connection.sessions import Clock


async def test_the_first_link_counts_also_after_a_logout(
    session: Session, clock: Clock, path: Path
) -> None:
    assert [session.account_link.first_at] == [None]
    linked = clock.now
    async with session.transaction():
        session.account_link.note()
        assert session.account_link.first_at == linked
    clock.now += 100
    async with session.transaction():
        session.forget_credentials()
        session.account_link.note()
    assert session.account_link.first_at == linked
    session.close()
    with closing(Session.open(path, 9)) as again:
        assert again.account_link.first_at == linked


@pytest.mark.parametrize(
    ("statement", "linked_at"),
    [
        ("""INSERT INTO credentials VALUES (1, '{"device": "15550100001:7@s.whatsapp.net"}')""", 0),
        ("""INSERT INTO credentials VALUES (1, '{"device": null}')""", None),
        ("INSERT INTO sent_ids VALUES ('15550100002@s.whatsapp.net', 'A', 1.0)", 0),
        ("SELECT 1", None),
    ],
    ids=["linked", "only keys", "linked before", "new"],
)
async def test_an_account_of_an_older_release_is_not_new(
    path: Path, monkeypatch: pytest.MonkeyPatch, statement: str, linked_at: float | None
) -> None:
    with monkeypatch.context() as before:
        before.setattr(session_file, "VERSION", 26)
        Session.open(path, 1).close()
    with closing(sqlite3.connect(path)) as database:
        database.execute(statement)
        database.commit()
    with closing(Session.open(path, 2)) as session:
        assert session.account_link.first_at == linked_at
