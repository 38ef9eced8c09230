from __future__ import annotations

import stat
from typing import TYPE_CHECKING

from actors.config.sources import resolve_settings
from actors.state.caches.local_copies import LocalCopy, copy_of
from actors.state.documents import API_KEYS

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


async def test_a_copy_is_what_was_read_last_without_what_is_fleeting(tmp_path: Path) -> None:
    file = tmp_path / "copies" / "things.json"
    assert await LocalCopy(file).read() is None
    copy = LocalCopy(file)
    await copy.write([{"id": "a", "n": 1, "observed": {"beat": 1.0}, "fence": 2}])
    assert await LocalCopy(file).read() == [{"id": "a", "n": 1}]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    await copy.write([])
    assert await LocalCopy(file).read() == []


async def test_what_is_the_same_is_not_written_again(tmp_path: Path) -> None:
    file = tmp_path / "things.json"
    copy = LocalCopy(file)
    await copy.write([{"id": "a", "observed": {"beat": 1.0}}])
    written = file.stat().st_ino
    await copy.write([{"id": "a", "observed": {"beat": 2.0}}])
    assert file.stat().st_ino == written


async def test_what_cannot_be_read_or_written_is_no_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "things.json"
    file.write_text("half of")
    assert await LocalCopy(file).read() is None

    def full(*_: object) -> None:
        raise OSError

    monkeypatch.setattr("actors.state.caches.local_copies.write_atomically", full)
    copy = LocalCopy(file)
    await copy.write([{"id": "a"}])
    monkeypatch.undo()
    await copy.write([{"id": "a"}])
    assert await LocalCopy(file).read() == [{"id": "a"}]


async def test_a_store_in_the_data_directory_needs_none(tmp_path: Path) -> None:
    copy = copy_of(resolve_settings(data=tmp_path), API_KEYS)
    await copy.write([{"id": "a"}])
    assert await copy.read() is None
    assert names(tmp_path) == []
    paid = resolve_settings(data=tmp_path, firestore_emulator_host="127.0.0.1:1")
    await copy_of(paid, API_KEYS).write([{"id": "a"}])
    assert names(tmp_path / "copies") == ["api_keys.json"]


def names(directory: Path) -> list[str]:
    return [file.name for file in directory.iterdir()]
