"""Messages that limits of an account hold back, and the reports of limits."""

from __future__ import annotations

import pytest

from actors.connection.limits.account_limits import NONE, Limits, wait

NOW = 1000.0
LOCK, CAP, PACE = "reach_out_limited", "new_chats_capped", "new_chats_paced"


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        (NONE, None),
        (Limits(1060.0), (LOCK, 1060.0)),
        (Limits(1000.0), None),  # over
        (Limits(None, 1060.0), (CAP, 1060.0)),
        (Limits(None, 1060.0, reported=False), (CAP, 1060.0)),
        (Limits(1060.0, 1050.0), (LOCK, 1060.0)),
        (Limits(1050.0, 1060.0), (CAP, 1060.0)),
        (Limits(900.0, 1060.0), (CAP, 1060.0)),
        (Limits(paced_until=1060.0), (PACE, 1060.0)),
        (Limits(paced_until=1000.0), None),
        (Limits(1050.0, 1040.0, paced_until=1060.0), (PACE, 1060.0)),
        (Limits(1050.0, 1060.0, paced_until=1040.0), (CAP, 1060.0)),
    ],
)
def test_a_stranger_waits_for_the_later_end(
    limits: Limits, expected: tuple[str, float] | None
) -> None:
    assert wait(limits, NOW, answers=False) == expected
    assert wait(limits, NOW, answers=True) is None


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        (Limits(None, 1060.0), None),
        (Limits(None, 1060.0, reported=False), None),
        (Limits(1060.0), (LOCK, 1060.0)),
        (Limits(1050.0, 1060.0), (LOCK, 1050.0)),
        (Limits(paced_until=1060.0), None),
        (Limits(1050.0, paced_until=1060.0), (LOCK, 1050.0)),
    ],
)
def test_a_chat_that_the_account_began_waits_for_no_cap(
    limits: Limits, expected: tuple[str, float] | None
) -> None:
    assert wait(limits, NOW, answers=False, begun=True) == expected


@pytest.mark.parametrize(
    ("limits", "shown"),
    [
        (NONE, (None, None)),
        (Limits(1060.0, 1090.0), (1060.0, "time_lock")),
        (Limits(None, 1060.0), (1060.0, "new_chats_capped")),
        (Limits(None, 1060.0, reported=False), (None, None)),
        (Limits(900.0, 1060.0), (1060.0, "new_chats_capped")),
        (Limits(900.0, 900.0), (None, None)),
        (Limits(NOW, NOW), (None, None)),
        (Limits(paced_until=1060.0), (None, None)),
    ],
)
def test_the_shown_limit_is_the_one_that_whatsapp_announced(
    limits: Limits, shown: tuple[float | None, str | None]
) -> None:
    assert limits.at(NOW).shown == shown
