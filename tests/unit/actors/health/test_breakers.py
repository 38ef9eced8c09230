"""The circuit breaker, as a walk through its states."""

from __future__ import annotations

from dataclasses import replace

import pytest

from actors.health.breakers import BREAKER_LEVELS, Breaker

FRESH = Breaker(limit=3, cooldown=10, longest=35)


def fallen(times: int, breaker: Breaker = FRESH, now: float = 0.0) -> Breaker:
    for _ in range(times):
        breaker = breaker.tried(now).failed(now)
    return breaker


@pytest.mark.parametrize(
    ("breaker", "now", "state", "allows"),
    [
        (FRESH, 0, "closed", True),
        (fallen(2), 0, "closed", True),
        (fallen(2).succeeded().failed(0).failed(0), 0, "closed", True),  # in a row only
        (fallen(3), 0, "open", False),
        (fallen(3), 9.9, "open", False),
        (fallen(3), 10, "half_open", True),
        (fallen(3).tried(10), 10, "half_open", False),  # one trial at a time
        (fallen(3).tried(10).succeeded(), 10, "closed", True),
        (fallen(3).tried(10).failed(11), 30.9, "open", False),  # twice as long
        (fallen(3).tried(10).failed(11), 31, "half_open", True),
        (fallen(3).failed(9), 10, "half_open", True),  # a straggler prolongs nothing
    ],
)
def test_states(breaker: Breaker, now: float, state: str, allows: bool) -> None:
    assert breaker.state(now) == state
    assert breaker.allows(now) is allows


def test_the_record_counts_all_failures_in_a_row() -> None:
    """Also that of a trial, which is over then."""
    opened = replace(FRESH, failures=3, openings=1, opened_at=0.0, trying=False)
    assert fallen(3) == opened
    again = fallen(1, opened, now=10.0)
    assert again == replace(FRESH, failures=4, openings=2, opened_at=10.0, trying=False)


def test_the_pause_doubles_up_to_the_longest_and_is_forgotten_by_success() -> None:
    breaker, now, pauses = fallen(3), 0.0, []
    for _ in range(4):
        pauses.append(breaker.pause)
        now += breaker.pause
        breaker = breaker.tried(now).failed(now)
    assert pauses == [10, 20, 35, 35]
    breaker = breaker.tried(now + 35).succeeded()
    assert breaker == FRESH
    assert fallen(3, breaker).pause == 10


def test_nothing_is_tried_while_it_is_open() -> None:
    with pytest.raises(ValueError, match=r"^the breaker is open$"):
        fallen(3).tried(5)


def test_without_numbers_of_its_own_it_opens_at_three_for_half_a_minute_to_five() -> None:
    breaker, now, pauses = fallen(2, Breaker()), 0.0, []
    assert breaker.state(now) == "closed"
    breaker = fallen(1, breaker)
    for _ in range(5):
        pauses.append(breaker.pause)
        now += breaker.pause
        breaker = fallen(1, breaker, now)
    assert pauses == [30, 60, 120, 240, 300]


def test_each_state_has_a_level_for_prometheus() -> None:
    assert BREAKER_LEVELS == {"closed": 0, "half_open": 1, "open": 2}
