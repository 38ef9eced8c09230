from __future__ import annotations

from actors.config.settings import Settings
from actors.runtime.limits.durations import DAY
from gateway.console.pages import connection_limits
from gateway.schemas.account_pacing import account_pacing
from gateway.setting_texts import SETTING_FIELDS

NOW = 1_000_000_000.0


def settings(**values: object) -> Settings:
    return Settings.model_validate({"data": "/a", **values})


def pacing(given: Settings, linked_at: float | None = None) -> list[connection_limits.LimitText]:
    account = account_pacing(given, linked_at, NOW)
    return connection_limits.pacing(given, account.model_dump())


def words(found: list[connection_limits.LimitText]) -> dict[str, str]:
    assert {one.setting for one in found} <= set(SETTING_FIELDS)
    return {one.setting: one.text for one in found}


def test_without_pacing_messages_go_as_fast_as_they_come() -> None:
    assert words(pacing(settings(queue_concurrency=1))) == {
        "PACING_MESSAGES_PER_MINUTE": "as many as there are",
        "PACING_MESSAGES_PER_DAY": "as many as there are",
        "PACING_NEW_CHATS_PER_DAY": "as many as there are",
        "PACING_CHAT_GAP": "none",
        "QUEUE_CONCURRENCY": "1 message",
    }


def test_pacing_names_its_pauses() -> None:
    paced = settings(
        pacing_messages_per_minute=1200,
        pacing_messages_per_day=5000,
        pacing_chat_gap=2000,
        pacing_chat_jitter=500,
    )
    assert words(pacing(paced)) == {
        "PACING_MESSAGES_PER_MINUTE": "1,200, spread evenly",
        "PACING_MESSAGES_PER_DAY": "5,000, from midnight to midnight (UTC)",
        "PACING_NEW_CHATS_PER_DAY": "as many as there are",
        "PACING_CHAT_GAP": "2.0 s at least, and up to 500 ms more by chance",
        "QUEUE_CONCURRENCY": "10 messages, each in another chat",
    }
    by_chance = pacing(settings(pacing_chat_jitter=500))
    assert words(by_chance)["PACING_CHAT_GAP"] == "up to 500 ms by chance"


def test_a_new_account_has_the_pace_of_its_age_and_the_reason() -> None:
    shown = words(pacing(settings(), linked_at=NOW - 2 * DAY))
    assert shown["PACING_MESSAGES_PER_MINUTE"] == "4, spread evenly"
    assert shown["PACING_MESSAGES_PER_DAY"] == "50, from midnight to midnight (UTC)"
    assert shown["PACING_NEW_CHATS_PER_DAY"] == "3, with people who never wrote"
    reasons = [
        connection_limits.new_account(account_pacing(settings(), linked, NOW).model_dump())
        for linked in (NOW - 2 * DAY, NOW - 28 * DAY, 0.0, None)
    ]
    assert reasons == ["new account, day 3 of 28", None, None, None]


def test_each_limit_is_that_of_its_setting_and_zero_is_none() -> None:
    shown = words(connection_limits.limits(settings(rate_limit=60, webhooks_per_connection=7)))
    assert shown["RATE_LIMIT"] == "60 by all its keys, at each gateway process"
    assert shown["CONCURRENT_REQUESTS_PER_CONNECTION"] == (
        "100 at each gateway process, sends with wait apart"
    )
    assert shown["WEBHOOKS_PER_CONNECTION"] == "7"
    assert shown["MEDIA_DOWNLOADS_PER_SENDER"] == "537 MB"
    names = ("rate_limit", "queue_memory_per_connection", "media_uploads_per_connection")
    free = words(connection_limits.limits(settings(**dict.fromkeys(names, 0))))
    assert {free[name.upper()] for name in names} == {"no limit"}
