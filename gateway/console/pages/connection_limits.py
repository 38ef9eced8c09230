"""Describes the limits and the pacing of one connection for its page, by the settings that they come from (pure)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from gateway.console.code_texts import size, took

if TYPE_CHECKING:
    from collections.abc import Mapping

    from actors.config.settings import Settings


class LimitText(NamedTuple):
    """A limit in words, and the setting that has it."""

    noun: str
    text: str
    setting: str


def pacing(settings: Settings, account: Mapping[str, Any]) -> list[LimitText]:
    """Return the pace at which a connection sends; `account` is `pacing` of the API's answer."""
    each, day, new = (
        account[name] for name in ("messages_per_minute", "messages_per_day", "new_chats_per_day")
    )
    gap, jitter = settings.pacing_chat_gap / 1000, settings.pacing_chat_jitter / 1000
    many = settings.queue_concurrency
    return [
        LimitText(
            "Messages a minute",
            f"{each:,}, spread evenly" if each else "as many as there are",
            "PACING_MESSAGES_PER_MINUTE",
        ),
        LimitText(
            "Messages a day",
            f"{day:,}, from midnight to midnight (UTC)" if day else "as many as there are",
            "PACING_MESSAGES_PER_DAY",
        ),
        LimitText(
            "New chats a day",
            f"{new:,}, with people who never wrote" if new else "as many as there are",
            "PACING_NEW_CHATS_PER_DAY",
        ),
        LimitText("Pause in a chat", _pause(gap, jitter), "PACING_CHAT_GAP"),
        LimitText(
            "On their way at a time",
            "1 message" if many == 1 else f"{many:,} messages, each in another chat",
            "QUEUE_CONCURRENCY",
        ),
    ]


def new_account(account: Mapping[str, Any]) -> str | None:
    """The reason for the pace of an account that is new; None where it is not."""
    if account["reason"] != "new_account":
        return None
    return f"new account, day {account['day']} of {account['new_for_days']}"


def limits(settings: Settings) -> list[LimitText]:
    """Return the limits of a connection."""
    requests = settings.rate_limit
    return [
        LimitText(
            "Requests a minute",
            f"{requests:,} by all its keys, at each gateway process" if requests else "no limit",
            "RATE_LIMIT",
        ),
        LimitText(
            "Requests at once",
            f"{settings.concurrent_requests_per_connection:,} at each gateway process, sends with"
            " wait apart",
            "CONCURRENT_REQUESTS_PER_CONNECTION",
        ),
        LimitText("API keys", f"{settings.api_keys_per_connection:,}", "API_KEYS_PER_CONNECTION"),
        LimitText("Webhooks", f"{settings.webhooks_per_connection:,}", "WEBHOOKS_PER_CONNECTION"),
        LimitText(
            "Event readers",
            f"{settings.event_readers_per_connection:,} at each gateway process",
            "EVENT_READERS_PER_CONNECTION",
        ),
        LimitText(
            "Messages in Redis",
            _bytes(settings.queue_memory_per_connection),
            "QUEUE_MEMORY_PER_CONNECTION",
        ),
        LimitText(
            "Messages and events on the disk",
            _bytes(settings.stored_bytes_per_connection),
            "STORED_BYTES_PER_CONNECTION",
        ),
        LimitText(
            "Uploads a day",
            _bytes(settings.media_uploads_per_connection),
            "MEDIA_UPLOADS_PER_CONNECTION",
        ),
        LimitText(
            "Downloads a day",
            _bytes(settings.media_downloads_per_connection),
            "MEDIA_DOWNLOADS_PER_CONNECTION",
        ),
        LimitText(
            "Downloads of one sender",
            _bytes(settings.media_downloads_per_sender),
            "MEDIA_DOWNLOADS_PER_SENDER",
        ),
    ]


def _pause(gap: float, jitter: float) -> str:
    if not gap:
        return f"up to {took(jitter)} by chance" if jitter else "none"
    by_chance = f", and up to {took(jitter)} more by chance" if jitter else ""
    return f"{took(gap)} at least{by_chance}"


def _bytes(count: int) -> str:
    return size(count) if count else "no limit"
