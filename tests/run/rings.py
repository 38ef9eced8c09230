"""Divides the tests into two rings: `make test` runs the first within five minutes, `make test-all` the second."""

from __future__ import annotations

SECOND: tuple[str, ...] = ()
"""What tests of the second ring begin with."""


def is_second(node: str) -> bool:
    """Returns whether the test with this node id is of the second ring."""
    return node.startswith(SECOND)
