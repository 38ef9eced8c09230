from __future__ import annotations

from itertools import pairwise

import pytest

from actors.config.settings import Settings
from actors.runtime.limits.account_pace import (
    NEW_DAYS,
    PACE_STEPS,
    AccountPace,
    day_of,
    next_day,
    pace,
    step,
)
from actors.runtime.limits.durations import DAY

LINKED = 1_000_000.0
SIMULATOR = {"whatsapp_root_key": "ab" * 32}
UNPACED = AccountPace()


def settings(**flags: object) -> Settings:
    return Settings.model_validate(flags)


@pytest.mark.parametrize(
    ("age", "day"),
    [(-DAY, 1), (0.0, 1), (DAY - 1, 1), (DAY, 2), (27.5 * DAY, 28), (28 * DAY, 29)],
)
def test_days_count_from_the_link_and_a_clock_that_was_set_back_makes_none_earlier(
    age: float, day: int
) -> None:
    assert day_of(LINKED, LINKED + age) == day


@pytest.mark.parametrize(
    ("day", "last_day"), [(1, 3), (3, 3), (4, 7), (7, 7), (8, 14), (14, 14), (15, 28), (28, 28)]
)
def test_each_day_has_its_step(day: int, last_day: int) -> None:
    found = step(LINKED, LINKED + (day - 1) * DAY)
    assert found is not None
    assert found.last_day == last_day


def test_what_is_not_new_has_no_step() -> None:
    assert step(LINKED, LINKED + NEW_DAYS * DAY) is None
    assert step(None, LINKED) is None, "nothing is known"


def test_each_step_allows_more_than_the_one_before_and_none_is_nothing() -> None:
    for before, after in pairwise(PACE_STEPS):
        assert all(earlier < later for earlier, later in zip(before, after, strict=True))
    assert min(PACE_STEPS[0]) > 0


@pytest.mark.parametrize(
    ("flags", "expected", "remark"),
    [
        ({}, AccountPace(4, 50, 3, 2), "no setting: by the age"),
        ({"pacing_messages_per_day": 7}, AccountPace(4, 7, 3, 2), "a setting wins"),
        ({"pacing_messages_per_day": 0}, AccountPace(4, 0, 3, 2), "0 is no limit, and wins too"),
        (
            {
                "pacing_messages_per_minute": 9,
                "pacing_messages_per_day": 8,
                "pacing_new_chats_per_day": 0,
            },
            AccountPace(9, 8, 0),
            "nothing is left to the age",
        ),
        ({"pacing_new_accounts": False}, UNPACED, "turned off"),
        (
            {"pacing_new_accounts": False, "pacing_new_chats_per_day": 5},
            AccountPace(0, 0, 5),
            "turned off, and a setting",
        ),
        (SIMULATOR, UNPACED, "an account of the simulator"),
        ({**SIMULATOR, "pacing_messages_per_minute": 6}, AccountPace(6), "that has a setting"),
    ],
)
def test_a_new_account_is_paced_where_no_setting_says_otherwise(
    flags: dict[str, object], expected: AccountPace, remark: str
) -> None:
    assert pace(settings(**flags), LINKED, LINKED + DAY) == expected, remark


@pytest.mark.parametrize("linked_at", [None, 0.0, LINKED])
def test_an_old_account_has_the_pace_of_the_settings(linked_at: float | None) -> None:
    now = LINKED + NEW_DAYS * DAY
    assert pace(settings(), linked_at, now) == UNPACED
    assert not UNPACED
    limited = pace(settings(pacing_new_chats_per_day=5), linked_at, now)
    assert (limited, bool(limited)) == (AccountPace(0, 0, 5), True)


def test_a_day_of_counts_ends_at_midnight() -> None:
    assert next_day(0.0) == DAY
    assert next_day(DAY - 1) == DAY
    assert next_day(DAY) == 2 * DAY
