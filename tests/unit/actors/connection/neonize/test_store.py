from __future__ import annotations

import sqlite3
import stat
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from actors.connection.native.identities.addresses import Address
from actors.connection.neonize.store import Store, StoreDamaged

if TYPE_CHECKING:
    from pathlib import Path


def test_it_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert store.device() is None
    assert store.prepare().startswith(f"{tmp_path}/whatsmeow.db?")
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o600


def test_a_path_that_a_url_would_read_otherwise(tmp_path: Path) -> None:
    (tmp_path / "a?b#c%d").mkdir()
    assert "a%3Fb%23c%25d/whatsmeow.db?" in Store(tmp_path / "a?b#c%d").prepare()


def test_it_tells_which_device_is_linked(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "whatsmeow.db")) as database, database:
        database.execute("CREATE TABLE whatsmeow_device (jid TEXT, lid TEXT)")
        assert Store(tmp_path).device() is None
        row = ("15550100001:3@s.whatsapp.net", "100000000000001:3@lid")
        database.execute("INSERT INTO whatsmeow_device VALUES (?, ?)", row)
    linked = Address("15550100001", "s.whatsapp.net", 3), Address("100000000000001", "lid", 3)
    assert Store(tmp_path).device() == linked


def test_it_is_not_opened_beside_gos(tmp_path: Path) -> None:
    """Two SQLites in one process take each other's locks and log away: seen as a bus error."""
    store = Store(tmp_path)
    store.prepare()
    with pytest.raises(RuntimeError, match="may have the database open"):
        store.device()


def test_what_is_no_database_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "whatsmeow.db").write_text("something else, and long enough to be read as a page")
    with pytest.raises(StoreDamaged):
        Store(tmp_path).device()
    assert "something else" in (tmp_path / "whatsmeow.db").read_text()
