"""A damaged session is left out of a backup, or is as the backup before has it; all else is in it, and it says so."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from actors.connection.backup.keyring import Keyring
from actors.connection.backup.restore import OLDER_DIRECTORY
from actors.connection.session import SESSION_FILE
from actors.connection.session.session import Session
from gateway.cli.backup.instance_backups import INCOMPLETE
from supervision.backup.backup_store import BackupName, Manifest
from tests.integration.backup.conftest import EPOCH, KEY, SHOP, WORDS, Place, run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

OTHER = "other--K7Q2M9XA4TBD"


def session_of(data: Path, connection: str = SHOP) -> Path:
    return data / "sessions" / connection / SESSION_FILE


def damage(file: Path) -> None:
    file.write_bytes(b"no database at all" * 500)


def page_damaged(file: Path) -> None:
    """A page in the middle is broken: the file opens, and nothing reads that table."""
    with closing(sqlite3.connect(file)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        ((page,),) = database.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'sent_ids'")
        ((size,),) = database.execute("PRAGMA page_size")
    with file.open("r+b") as stream:
        stream.seek((page - 1) * size)
        stream.write(b"U" * size)


def blocked(file: Path) -> None:
    file.unlink()
    file.mkdir()


def too_new(file: Path) -> None:
    with closing(sqlite3.connect(file)) as database:
        database.execute("PRAGMA user_version = 999")


def back_up(place: Place) -> tuple[int, dict[str, Any], str]:
    """The exit status, what the backup says for programs, and the sentences for people."""
    done = run(place.data, "backup", "create", "--to", str(place.target), "--json")
    return done[0], json.loads(done[1]), done[2]


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (damage, "session_damaged"),
        (page_damaged, "session_damaged"),
        (blocked, "session_blocked"),
        (too_new, "session_too_new"),
    ],
)
def test_the_rest_is_backed_up_with_the_earlier_copy_of_the_session(
    place: Place, tmp_path: Path, spoil: Callable[[Path], None], code: str
) -> None:
    Session.open(session_of(place.data, OTHER), EPOCH).close()
    status, first, _ = back_up(place)
    assert (status, first["left_out"]) == (0, [])
    listed = run(place.data, "backup", "list", "--from", str(place.target), "--json")[1]
    [at] = [one["at"] for one in json.loads(listed)["items"]]
    spoil(session_of(place.data))
    place.accept(WORDS)
    for _ in range(2):  # of the second one, too, it is the copy of the first
        status, made, said = back_up(place)
        assert status == INCOMPLETE
        assert made["left_out"] == [{"connection": SHOP, "code": code, "copied_at": at}]
        assert f"The session of shop cannot be copied ({code}): as it was at {at[:19]}Z" in said
    second = tmp_path / "second"
    status, said = place.restore(second)
    assert (status, f"The session of shop cannot be copied ({code})" in said) == (0, True), said
    for connection in (SHOP, OTHER):
        assert Session.check(session_of(second, connection)).epoch == EPOCH + 1
    assert (second / "state.db").exists()


def test_a_session_that_no_backup_has_is_named_and_the_next_whole_one_names_none(
    place: Place, tmp_path: Path
) -> None:
    damage(session_of(place.data))
    status, made, said = back_up(place)
    assert (status, "shop" in said, "no backup has it" in said) == (INCOMPLETE, True, True), said
    assert made["left_out"] == [{"connection": SHOP, "code": "session_damaged", "copied_at": None}]
    restore, key = ("restore", str(place.target), "--json"), {"SESSION_ENCRYPTION_KEY": KEY}
    status, told, said = run(tmp_path / "second", *restore, environment=key)
    assert (status, "no backup has it" in said) == (0, True), said
    assert json.loads(told)["left_out"] == made["left_out"]
    assert not session_of(tmp_path / "second").exists()
    session_of(place.data).unlink()
    Session.open(session_of(place.data), EPOCH).close()
    status, whole, said = back_up(place)
    assert (status, whole["left_out"], said) == (0, [], "")
    name = BackupName(*whole["name"].split("/"))
    sealed = (place.target / "backups" / str(name)).read_bytes()
    assert Manifest.opened(name, sealed, Keyring.of(KEY)).left_out == ()


def test_the_list_and_a_restore_say_which_backup_lacks_a_session(
    place: Place, tmp_path: Path
) -> None:
    """The restore before it begins: here it cannot go on."""
    whole = place.back_up()["name"]
    (place.data / "backups.mark").unlink()  # as another instance's, which has no copy from before
    damage(session_of(place.data))
    lacking = back_up(place)[1]["name"]
    (place.data / "backups.mark").unlink()
    session_of(place.data).unlink()
    foreign = place.back_up()["name"]
    (place.target / "backups" / foreign).write_bytes(b"no list")
    listing = ("backup", "list", "--from", str(place.target))
    found = {
        one["copy"]: one for one in json.loads(run(place.data, *listing, "--json")[1])["items"]
    }
    left_out = [{"connection": SHOP, "code": "session_damaged", "copied_at": None}]
    states = {name: (one["state"], one["left_out"]) for name, one in found.items()}
    assert states == {
        whole: ("complete", []),
        lacking: ("incomplete", left_out),
        foreign: ("backup_damaged", []),
    }
    rows = [line for line in run(place.data, *listing)[1].splitlines() if lacking in line]
    assert [row.split(maxsplit=2)[2].split() for row in rows] == [
        ["incomplete", "shop", "(session_damaged)"]
    ]
    for content in place.content():
        content.unlink()
    status, said = place.restore(tmp_path / "second", "--copy", lacking)
    assert (status, "no backup has it. Its account has to be linked again." in said) == (1, True)
    assert "is missing or changed" in said


def test_a_damaged_older_file_of_a_session_is_backed_up_as_it_is(
    place: Place, tmp_path: Path
) -> None:
    """One set aside by a restore, whose items nobody stored: all else does not wait for it."""
    name = f"{OLDER_DIRECTORY}/1/{SESSION_FILE}"
    older = session_of(place.data).parent / name
    older.parent.mkdir(parents=True)
    damage(older)
    status, made, said = back_up(place)
    assert (status, made["left_out"], said) == (0, [], "")
    status, said = place.restore(tmp_path / "second")
    assert status == 0, said
    restored = session_of(tmp_path / "second").parent / name
    assert restored.read_bytes() == older.read_bytes()


def test_a_session_that_cannot_be_read_now_fails_the_backup(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk, say: nothing is wrong with the session, and the next try has it."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("actors.connection.backup.session_snapshot.copy_database", full)
    status, _, said = run(place.data, "backup", "create", "--to", str(place.target))
    assert (status, "session_unavailable" in said) == (1, True), said
    assert list(place.target.glob("backups/*/*")) == []
