from __future__ import annotations

from actors.queue.hands import Hands, Outcome


def outcome(attempt: int | str) -> Outcome:
    return Outcome("complete", 1.0, attempt, ())


def test_an_outcome_is_about_the_attempt_that_was_handed_out() -> None:
    hands = Hands(1, {"A": 3})
    assert hands.attempt("A") == 3
    assert hands.attempt("B") == ""


def test_a_settled_attempt_is_out_of_hand_and_owed_no_more() -> None:
    hands = Hands(1, {"A": 3})
    hands.owe("A", outcome(3))
    hands.settled("A", outcome(3))
    assert (hands.tries, hands.owed) == ({}, {})


def test_a_newer_attempt_stays_in_hand_when_an_older_is_settled() -> None:
    hands = Hands(1, {"A": 4})
    hands.settled("A", outcome(3))
    assert hands.tries == {"A": 4}
