"""When an open connection is a zombie, and when it is only busy."""

from __future__ import annotations

from dataclasses import replace

import pytest

from actors.connection.owner.connection_liveness import Sign, Suspicion

LIFE = Sign(answered=True, took=0.1, age=0.0, listening=True)
DEAD = Sign(answered=False, took=10.0, age=41.0, listening=True)
BUSY = Sign(answered=False, took=10.0, age=41.0, listening=False)
READ = Sign(answered=False, took=10.0, age=4.0, listening=True)
LATE = Sign(answered=False, took=15.0, age=46.0, listening=True)


@pytest.mark.parametrize(
    ("signs", "certain", "why"),
    [
        ([], False, "nothing was asked"),
        ([LIFE] * 50, False, "quiet, and it answers"),
        ([DEAD], False, "one answer may be lost"),
        ([DEAD, DEAD], True, "a socket that carries nothing"),
        ([DEAD, LIFE, DEAD], False, "it answered meanwhile"),
        ([DEAD, READ, DEAD], False, "messages came, and the answer waits behind them"),
        ([READ] * 50, False, "as busy as that for ten minutes"),
        ([LATE] * 50, False, "this process was blocked for 5 s each time, or the machine slept"),
        ([replace(DEAD, took=11.0)] * 2, True, "as late as still counts"),
        ([replace(DEAD, age=10.0)] * 2, True, "the last traffic came as the probe left"),
        ([DEAD, LATE, DEAD], True, "what does not count takes nothing back"),
        ([BUSY] * 5, False, "a commit that takes most of a minute"),
        ([BUSY, DEAD], False, "it was busy the first time"),
        ([BUSY] * 19, False, "and for more than three minutes"),
        ([BUSY] * 20, True, "an engine that is stuck for good"),
        ([BUSY] * 19 + [READ] + [BUSY] * 19, False, "slow, and it goes on"),
    ],
)
def test_certain(signs: list[Sign], certain: bool, why: str) -> None:
    suspicion = Suspicion()
    for number, sign in enumerate(signs, 1):
        suspicion = suspicion.after(sign)
        assert suspicion.certain is (certain and number == len(signs)), why
    assert suspicion.certain is certain, why


def test_another_socket_is_under_no_suspicion() -> None:
    assert not Suspicion().after(DEAD).lifted().after(DEAD).certain


def test_a_dead_connection_is_found_within_its_bound() -> None:
    """G8: a minute, by default: the silence, two deadlines and a pause between them."""
    suspicion = Suspicion()
    assert 30 + suspicion.limit * suspicion.deadline + 1 <= 60
