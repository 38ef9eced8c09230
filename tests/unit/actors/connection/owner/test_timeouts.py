"""Pauses before the next socket."""

from __future__ import annotations

import pytest

from actors.connection.disconnects.consequences import Consequence, PairAgain, Reconnect
from actors.connection.owner.timeouts import Timeouts

PACE = Timeouts(reconnect_base=1.0, reconnect_cap=8.0)


@pytest.mark.parametrize(
    ("follows", "failures", "least", "most"),
    [
        (Reconnect(at_once=True), 1, 0.0, 0.0),
        (Reconnect(at_once=True), 2, 0.0, 0.0),
        (PairAgain(), 2, 0.0, 0.0),
        (Reconnect(at_once=True), 3, 2.0, 4.0),  # not in a circle
        (PairAgain(), 3, 2.0, 4.0),
        (Reconnect(at_once=False), 1, 0.5, 1.0),
        (Reconnect(at_once=False), 20, 4.0, 8.0),
        (Reconnect(at_once=False, slowly=True), 1, 4.0, 8.0),
    ],
)
def test_the_pause(follows: Consequence, failures: int, least: float, most: float) -> None:
    assert (PACE.pause(follows, failures, 0.0), PACE.pause(follows, failures, 1.0)) == (least, most)
