"""Restarts by the keeper are logged for the history."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from supervision.keeper.restart_log import RESTART_FILE, RESTARTS_KEPT, Restart, Restarts, read

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / RESTART_FILE.path).parent.mkdir()
    return tmp_path


def test_the_next_keeper_goes_on_where_the_last_one_ended(data: Path) -> None:
    assert read(data) == []
    Restarts(data).add("gateway", "crashed", 1.5)
    Restarts(data).add("valkey", "hung", 0.5)
    assert [(one.role, one.cause, one.seconds) for one in read(data)] == [
        ("gateway", "crashed", 1.5),
        ("valkey", "hung", 0.5),
    ]


def test_the_newest_are_kept(data: Path) -> None:
    kept = Restarts(data)
    for number in range(RESTARTS_KEPT + 3):
        kept.add("gateway", "crashed", float(number))
    assert [one.seconds for one in read(data)] == [
        float(number) for number in range(3, RESTARTS_KEPT + 3)
    ]


def test_a_restart_that_the_disk_did_not_take_is_written_with_the_next(data: Path) -> None:
    kept = Restarts(data)
    obstacle = data / RESTART_FILE.path / "in the way"
    obstacle.mkdir(parents=True)  # no file replaces a directory
    with pytest.raises(OSError, match=RESTART_FILE.path.name):
        kept.add("gateway", "crashed", 1.0)
    obstacle.rmdir()
    obstacle.parent.rmdir()
    kept.add("gateway", "memory", 2.0)
    assert [one.cause for one in read(data)] == ["crashed", "memory"]


@pytest.mark.parametrize("content", ["", "[", "{}", '[{"role": "gateway"}]', '["x"]'])
def test_a_file_that_cannot_be_read_is_no_history(data: Path, content: str) -> None:
    (data / RESTART_FILE.path).write_text(content)
    assert read(data) == []


def test_one_restart_is_one_document() -> None:
    one = Restart("gateway", "hung", 1234.5678, 2.25)
    assert one.action == one.action
    assert one.action["id"] == "gateway.1234568.restarted"
    assert (one.action["cause"], one.action["seconds"]) == ("hung", 2.25)
