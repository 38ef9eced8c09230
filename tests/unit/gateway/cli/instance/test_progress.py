"""Conditions for which `teimoso up` waits."""

from __future__ import annotations

import pytest

from gateway.cli.instance.progress import begun


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
