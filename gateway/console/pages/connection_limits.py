"""Describes the limits and the pacing of one connection for its page, by the settings that they come from (pure)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from gateway.console.code_texts import size, took

if TYPE_CHECKING:
    from actors.config.settings import Settings


class Limit(NamedTuple):
    """A limit in words, and the setting that has it."""

    noun: str
    text: str
    setting: str


def pacing(settings: Settings) -> list[Limit]:
    """Return the pace at which a connection sends."""
    each = settings.pacing_messages_per_minute
    gap, jitter = settings.pacing_chat_gap / 1000, settings.pacing_chat_jitter / 1000
    many = settings.queue_concurrency
    return [
        Limit(
            "Messages a minute",
            f"{each:,}, spread evenly" if each else "as many as there are",
            "PACING_MESSAGES_PER_MINUTE",
        ),
        Limit("Pause in a chat", _pause(gap, jitter), "PACING_CHAT_GAP"),
        Limit(
            "On their way at a time",
            "1 message" if many == 1 else f"{many:,} messages, each in another chat",
            "QUEUE_CONCURRENCY",
        ),
    ]


def limits(settings: Settings) -> list[Limit]:
    """Return the limits of a connection."""
    requests = settings.rate_limit
    return [
        Limit(
            "Requests a minute",
            f"{requests:,} by all its keys, at each gateway process" if requests else "no limit",
            "RATE_LIMIT",
        ),
        Limit(
            "Requests at once",
            f"{settings.concurrent_requests_per_connection:,} at each gateway process, sends with"
            " wait apart",
            "CONCURRENT_REQUESTS_PER_CONNECTION",
        ),
        Limit("API keys", f"{settings.api_keys_per_connection:,}", "API_KEYS_PER_CONNECTION"),
        Limit("Webhooks", f"{settings.webhooks_per_connection:,}", "WEBHOOKS_PER_CONNECTION"),
        Limit(
            "Event readers",
            f"{settings.event_readers_per_connection:,} at each gateway process",
            "EVENT_READERS_PER_CONNECTION",
        ),
        Limit(
            "Messages in Redis",
            _bytes(settings.queue_memory_per_connection),
            "QUEUE_MEMORY_PER_CONNECTION",
        ),
        Limit(
            "Messages and events on the disk",
            _bytes(settings.stored_bytes_per_connection),
            "STORED_BYTES_PER_CONNECTION",
        ),
        Limit(
            "Uploads a day",
            _bytes(settings.media_uploads_per_connection),
            "MEDIA_UPLOADS_PER_CONNECTION",
        ),
        Limit(
            "Downloads a day",
            _bytes(settings.media_downloads_per_connection),
            "MEDIA_DOWNLOADS_PER_CONNECTION",
        ),
        Limit(
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
