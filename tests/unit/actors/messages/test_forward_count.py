"""The count of how often a message was forwarded."""

from __future__ import annotations

import pytest

from actors.messages.content import forward_score


@pytest.mark.parametrize(
    ("before", "own", "score"),
    [
        (None, False, 1),
        (None, True, 0),
        (0, True, 0),
        (0, False, 1),
        (1, False, 2),
        (3, True, 3),
        (3, False, 4),
        pytest.param(4, False, 127, id="many times"),
        (127, False, 127),
        (127, True, 127),
    ],
)
def test_a_forward_counts_once_unless_the_message_is_the_accounts(
    before: int | None, own: bool, score: int
) -> None:
    assert forward_score(before, own=own) == score
