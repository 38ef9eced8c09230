from __future__ import annotations

from actors.config.settings import Settings
from gateway.console.pages import connection_limits
from gateway.setting_texts import FIELDS


def settings(**values: object) -> Settings:
    return Settings.model_validate({"data": "/a", **values})


def words(found: list[connection_limits.LimitText]) -> dict[str, str]:
    assert {one.setting for one in found} <= set(FIELDS)
    return {one.setting: one.text for one in found}


def test_without_pacing_messages_go_as_fast_as_they_come() -> None:
    assert words(connection_limits.pacing(settings(queue_concurrency=1))) == {
        "PACING_MESSAGES_PER_MINUTE": "as many as there are",
        "PACING_CHAT_GAP": "none",
        "QUEUE_CONCURRENCY": "1 message",
    }


def test_pacing_names_its_pauses() -> None:
    paced = settings(pacing_messages_per_minute=1200, pacing_chat_gap=2000, pacing_chat_jitter=500)
    assert words(connection_limits.pacing(paced)) == {
        "PACING_MESSAGES_PER_MINUTE": "1,200, spread evenly",
        "PACING_CHAT_GAP": "2.0 s at least, and up to 500 ms more by chance",
        "QUEUE_CONCURRENCY": "10 messages, each in another chat",
    }
    by_chance = connection_limits.pacing(settings(pacing_chat_jitter=500))
    assert words(by_chance)["PACING_CHAT_GAP"] == "up to 500 ms by chance"


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
