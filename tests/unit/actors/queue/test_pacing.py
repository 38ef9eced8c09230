from __future__ import annotations

import pytest

from actors.config.settings import Settings
from actors.queue.pacing import Pacing
from actors.runtime.limits.account_pace import AccountPace


@pytest.mark.parametrize(
    ("flags", "expected", "remark"),
    [
        ({}, Pacing(0, 0, 0), "off by default"),
        ({"pacing_messages_per_minute": 20}, Pacing(3, 0, 0), "spread evenly"),
        ({"pacing_chat_gap": 1500}, Pacing(0, 1.5, 0), "milliseconds"),
        ({"pacing_chat_jitter": 250}, Pacing(0, 0, 0.25), "jitter alone"),
        ({"pacing_messages_per_day": 7}, Pacing(0, 0, 0, 7), "a day"),
        ({"pacing_new_chats_per_day": 7}, Pacing(0, 0, 0), "the engine counts new chats"),
    ],
)
def test_the_settings_say_how_far_apart(
    flags: dict[str, int], expected: Pacing, remark: str
) -> None:
    assert Pacing.of(Settings.model_validate(flags)) == expected, remark


def test_an_account_has_a_pace_of_its_own() -> None:
    settings = Settings.model_validate({"pacing_chat_gap": 1500})
    assert Pacing.of(settings, AccountPace(6, 50, 3, day=1)) == Pacing(10, 1.5, 0, 50)


def test_each_gap_has_a_jitter_of_its_own() -> None:
    dice = iter([0.0, 0.5, 1.0])
    assert Pacing(gap=2, jitter=4).rests(3, lambda: next(dice)) == [2, 4, 6]
    assert Pacing(gap=2, jitter=4).longest == 6


def test_no_limit_no_gaps() -> None:
    assert Pacing(interval=3).rests(5, lambda: 0.5) == []


@pytest.mark.parametrize(
    ("pacing", "limits"),
    [
        (Pacing(), False),
        (Pacing(interval=0.5), True),
        (Pacing(gap=0.5), True),
        (Pacing(jitter=0.5), True),
        (Pacing(per_day=1), True),
    ],
)
def test_any_of_them_is_a_limit(pacing: Pacing, limits: bool) -> None:
    assert bool(pacing) is limits
