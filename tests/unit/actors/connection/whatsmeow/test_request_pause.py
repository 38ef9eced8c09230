"""The pause of an account whose requests WhatsApp refuses for being too many."""

from __future__ import annotations

import pytest

from actors.connection.whatsmeow.request_pause import (
    FIRST_PAUSE_SECONDS,
    LONGEST_PAUSE_SECONDS,
    RequestPause,
)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_each_refusal_after_a_pause_doubles_it() -> None:
    clock = Clock()
    pause, lengths = RequestPause(clock), []
    assert pause.left == 0
    for _ in range(7):
        assert pause.refused()
        lengths.append(pause.left)
        clock.now += pause.left
        assert pause.left == 0
    assert lengths == [30, 60, 120, 240, 480, LONGEST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS]


def test_requests_that_were_on_their_way_make_no_longer_pause() -> None:
    clock = Clock()
    pause = RequestPause(clock)
    pause.refused()
    clock.now += 10
    assert not pause.refused()
    assert pause.left == FIRST_PAUSE_SECONDS - 10


@pytest.mark.parametrize(("quiet", "then"), [(LONGEST_PAUSE_SECONDS, 60), (901, 30)])
def test_a_long_quiet_is_forgiven(quiet: float, then: float) -> None:
    clock = Clock()
    pause = RequestPause(clock)
    pause.refused()
    clock.now += pause.left + quiet
    pause.refused()
    assert pause.left == then
