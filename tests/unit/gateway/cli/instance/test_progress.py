"""Conditions for which `teimoso up` waits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.cli.instance.progress import NotStarted, begun, display, wait
from supervision.keeper import process
from supervision.keeper.status_file import StatusFile

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("tree", "done"),
    [
        ({"root", "state", "queue", "health"}, True),
        ({"root", "state", "queue"}, False),
        ({"root", "state", "standby"}, False),  # nobody is served: the rest comes in a moment
        ({"root", "state", "connection"}, True),
        ({"root", "connection"}, False),  # what arrives could not be stored
        ({"state", "connection"}, False),  # what falls would stay down
        (set(), False),
    ],
)
def test_the_tree_has_begun(tree: set[str], done: bool) -> None:
    assert begun(tree) is done


def test_a_root_that_does_not_start_is_reported_with_the_log_of_its_task(tmp_path: Path) -> None:
    log = process.log_of(tmp_path, process.RAY_TASK)
    log.parent.mkdir()
    log.write_text("No address.\n")
    (tmp_path / "run").mkdir()
    StatusFile(tmp_path, ("root",)).put("root", "fallen", "No address.", streak=3)
    with pytest.raises(NotStarted) as failed:
        wait(tmp_path, ["root"], display(quiet=True), lambda: None)
    assert str(failed.value) == f"root does not start: No address. Its log: {log}"
