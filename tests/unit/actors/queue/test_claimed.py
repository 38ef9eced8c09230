from __future__ import annotations

import asyncio

import pytest

from actors.queue.claims import ClaimedMessages, Outcome
from actors.redis.client import RedisAway


def outcome(attempt: int | str) -> Outcome:
    return Outcome("complete", 1.0, attempt, ())


def test_an_outcome_is_about_the_attempt_that_was_handed_out() -> None:
    claimed = ClaimedMessages(1, {"A": 3})
    assert claimed.attempt("A") == 3
    assert claimed.attempt("B") == ""


def test_a_reported_outcome_is_neither_claimed_nor_owed() -> None:
    claimed = ClaimedMessages(1, {"A": 3, "B": 1}, {"A": outcome(3)})
    with claimed.reporting({"A": outcome(3)}):
        pass
    assert (claimed.tries, claimed.owed) == ({"B": 1}, {})


def test_a_newer_attempt_stays_claimed_when_an_older_is_reported() -> None:
    claimed = ClaimedMessages(1, {"A": 4})
    with claimed.reporting({"A": outcome(3)}):
        pass
    assert claimed.tries == {"A": 4}


@pytest.mark.parametrize("error", [RedisAway, asyncio.CancelledError])
def test_an_outcome_that_redis_may_lack_is_owed_and_stays_claimed(
    error: type[BaseException],
) -> None:
    claimed = ClaimedMessages(1, {"A": 3, "B": 1})
    owed = {"A": outcome(3), "B": outcome(1)}
    with pytest.raises(error), claimed.reporting(owed):
        raise error
    assert claimed.owed == owed
    assert claimed.tries == {"A": 3, "B": 1}
