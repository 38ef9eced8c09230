from __future__ import annotations

import asyncio

import pytest

from actors.queue.claimed import ClaimedMessages, Outcome
from actors.redis.client import RedisAway


def outcome(attempt: int | str) -> Outcome:
    return Outcome("complete", 1.0, attempt, ())


def test_an_outcome_is_about_the_attempt_that_was_handed_out() -> None:
    claimed = ClaimedMessages(1, {"A": 3})
    assert claimed.attempt("A") == 3
    assert claimed.attempt("B") == ""


def test_what_was_told_is_out_of_hand_and_owed_no_more() -> None:
    claimed = ClaimedMessages(1, {"A": 3, "B": 1}, {"A": outcome(3)})
    with claimed.reporting({"A": outcome(3)}):
        pass
    assert (claimed.tries, claimed.owed) == ({"B": 1}, {})


def test_a_newer_attempt_stays_in_hand_when_an_older_is_told() -> None:
    claimed = ClaimedMessages(1, {"A": 4})
    with claimed.reporting({"A": outcome(3)}):
        pass
    assert claimed.tries == {"A": 4}


@pytest.mark.parametrize("error", [RedisAway, asyncio.CancelledError])
def test_what_redis_may_not_have_heard_is_owed_and_stays_in_hand(
    error: type[BaseException],
) -> None:
    claimed = ClaimedMessages(1, {"A": 3, "B": 1})
    owed = {"A": outcome(3), "B": outcome(1)}
    with pytest.raises(error), claimed.reporting(owed):
        raise error
    assert claimed.owed == owed
    assert claimed.tries == {"A": 3, "B": 1}
