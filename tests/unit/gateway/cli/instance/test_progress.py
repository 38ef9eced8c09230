"""Conditions for which `teimoso up` waits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from gateway.cli.instance.instance_state import InstanceState
from gateway.cli.instance.progress import NotStarted, display, wait
from gateway.cli.instance.start_state import begun, starting
from supervision.keeper import process
from supervision.keeper.status_file import PartState, StatusFile
from supervision.reports.process_files import ProcessEntry

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


@pytest.mark.parametrize(
    ("tree", "root", "starts"),
    [
        ((), {}, True),
        (("queue", "health"), {}, True),
        (("queue", "state", "health"), {}, False),  # a connection is missing, say
        (("state", "connection"), {}, False),
        ((), {"since": 0.0}, False),
        ((), {"falls": 1}, False),
    ],
)
def test_an_instance_starts_until_its_tree_has_begun(
    tree: tuple[str, ...], root: dict[str, Any], starts: bool
) -> None:
    note = PartState(**{"role": "root", "state": "ready", "since": 1000.0, **root})
    entries = [ProcessEntry(role, 1, "now") for role in ("keeper", "root", *tree)]
    seen = InstanceState(entries, {}, {"root": note}, [], ["?"])
    assert starting(seen, 1010.0) is starts


def test_what_has_no_keeper_does_not_start() -> None:
    assert not starting(InstanceState([ProcessEntry("ray", 1, "now")], {}, {}, [], ["?"]), 1.0)


def test_a_root_that_does_not_start_is_reported_with_the_log_of_its_task(tmp_path: Path) -> None:
    log = process.log_of(tmp_path, process.RAY_TASK)
    log.parent.mkdir()
    log.write_text("No address.\n")
    (tmp_path / "run").mkdir()
    StatusFile(tmp_path, ("root",)).put("root", "fallen", "No address.", streak=3)
    with pytest.raises(NotStarted) as failed:
        wait(tmp_path, ["root"], display(quiet=True), lambda: None)
    assert str(failed.value) == f"root does not start: No address. Its log: {log}"
