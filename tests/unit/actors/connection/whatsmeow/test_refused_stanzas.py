"""The consequences of refusals by 400: another attempt, a new login, or a dead letter."""

from __future__ import annotations

import pytest

from actors.connection.whatsmeow.refused_stanzas import (
    MOST_REFUSED,
    RELOGIN_PAUSE_SECONDS,
    RefusedStanzas,
)

PAUSE = f"{RELOGIN_PAUSE_SECONDS:.0f}"


@pytest.mark.parametrize(
    ("happens", "follows", "remark"),
    [
        ("a a a", "again login dead", "one message alone: a new login, and then none"),
        ("a b a b", "again login dead dead", "the new login did not help"),
        ("a b + a", "again login dead", "it did help others: it is the message"),
        ("a + a", "again dead", "others are accepted: it is the message"),
        (
            "a b c c d d",
            "again login again dead again dead",
            "one login, whatever is refused after it",
        ),
        ("a b + c d", "again login again again", "no second login within the pause"),
        (f"a b + {PAUSE} c d", "again login again login", "after the pause there is one"),
        (f"a b {PAUSE} c", "again login again", "none while nothing was accepted since the last"),
    ],
)
def test_what_follows(happens: str, follows: str, remark: str) -> None:
    now, found = 1000.0, []
    refused = RefusedStanzas(lambda: now)
    for each in happens.split():
        if each == "+":
            refused.accepted()
        elif each.isdigit():
            now += float(each)
        else:
            found.append(refused.refused(each))
    assert found == follows.split(), remark


def test_only_so_many_messages_are_remembered() -> None:
    refused = RefusedStanzas()
    for number in range(MOST_REFUSED + 1):
        refused.refused(str(number))
    assert refused.refused("0") == "again"
    assert refused.refused(str(MOST_REFUSED)) == "dead"
