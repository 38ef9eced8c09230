"""When a part is started again, and when one that is silent is ended (G8)."""

from __future__ import annotations

import pytest

from supervision.keeper.restart_policy import Falls, hung, lived


@pytest.mark.parametrize(
    ("lives", "streak", "low", "high", "why"),
    [
        ([], 0, 0.0, 0.0, "nothing fell"),
        ([100.0], 1, 0.0, 0.0, "after a long life at once"),
        ([0.0], 1, 0.0, 0.0, "the first fall at once"),
        ([0.0, 0.0], 2, 0.25, 0.5, "then after a pause"),
        ([0.0] * 4, 4, 1.0, 2.0, "that doubles"),
        ([0.0] * 60, 60, 30.0, 60.0, "up to the cap, and never stops"),
        ([0.0, 0.0, 0.0, 10.0], 1, 0.0, 0.0, "a life of the minimum forgives"),
        ([0.0, 0.0, 9.9], 3, 0.5, 1.0, "a shorter one does not"),
    ],
)
def test_pauses(lives: list[float], streak: int, low: float, high: float, why: str) -> None:
    falls = Falls()
    for seconds in lives:
        falls = falls.fell(seconds, 10.0)
    assert (falls.streak, falls.total) == (streak, len(lives)), why
    assert falls.pause(0.5, 60.0, 0.0) == pytest.approx(low), why
    assert falls.pause(0.5, 60.0, 0.999_999) == pytest.approx(high, rel=1e-3), why


def test_a_part_that_was_never_ready_did_not_live() -> None:
    assert lived(None, 1000.0) == 0.0
    assert lived(990.0, 1000.0) == 10.0


@pytest.mark.parametrize(("silences", "ended"), [(0, False), (5, False), (6, True), (7, True)])
def test_silence(silences: int, ended: bool) -> None:
    assert hung(silences, 5.0, 30.0) is ended
