"""Declares the settings of the outbound queue and pacing, of events and webhooks, and of media files."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from actors.config.sections.section import Section
from actors.config.value_types import (  # noqa: TC001 - pydantic reads them
    ByteCount,
    Bytes,
    Days,
    Milliseconds,
    OptionalCount,
    Pause,
)


def _none_or_a_month(days: int) -> int:
    """Check that a tombstone still identifies a message that WhatsApp delivers again."""
    if 0 < days < 30:
        raise ValueError("must be 0, or 30 or more")
    return days


class MessageSettings(Section):
    """The queue: attempts, concurrency, pacing, and for how long its records are kept."""

    title = "Messages"

    message_queue_enabled: bool = Field(
        True,
        validation_alias="MESSAGE_QUEUE_ENABLED",
        description=(
            "whether messages wait until they can be sent; with `false` each is sent while its caller waits, or "
            "cancelled: nothing is kept for a connection or a Redis that is away, and nothing is sent later"
        ),
    )
    queue_concurrency: int = Field(
        10,
        ge=1,
        le=1000,
        validation_alias="QUEUE_CONCURRENCY",
        description="messages of one connection that are on their way at a time, each in another chat",
    )
    max_retry_attempts: int = Field(
        5,
        ge=1,
        le=100,
        validation_alias="MAX_RETRY_ATTEMPTS",
        description="attempts until a message is a dead letter",
    )
    link_previews: bool = Field(
        True,
        validation_alias="LINK_PREVIEWS",
        description=(
            "whether a text that links to a page is sent with a preview of it, which the gateway fetches "
            "([media](media.md#previews-of-links) says what that reveals); a text may leave it out by `link_preview`"
        ),
    )
    retry_backoff_base: Milliseconds = Field(
        1_000,
        validation_alias="RETRY_BACKOFF_BASE",
        description="the longest pause after the first failed attempt; it doubles with each one",
    )
    retry_backoff_cap: Milliseconds = Field(
        300_000, validation_alias="RETRY_BACKOFF_CAP", description="and grows no longer than this"
    )
    dead_letter_retention_days: Days = Field(
        30,
        validation_alias="DEAD_LETTER_RETENTION_DAYS",
        description="days for which a dead letter is listed and can be sent again",
    )
    job_retention_days: Days = Field(
        30,
        validation_alias="JOB_RETENTION_DAYS",
        description=(
            "days for which `message_queue_jobs` tells of a message that is finished; of a dead letter not before"
            " its record is gone too, of one that is open always"
        ),
    )
    message_retention_days: Annotated[int, AfterValidator(_none_or_a_month)] = Field(
        0,
        ge=0,
        le=3650,
        validation_alias="MESSAGE_RETENTION_DAYS",
        description=(
            "days for which `whatsapp_messages` keeps a message that is done, 30 at least; `0` for good: the disk of"
            " the state store fills up then, unless `teimoso jobs run prune-messages` is run. Waiting messages stay, and a"
            " dead letter that can be sent again"
        ),
    )
    pacing_new_accounts: bool = Field(
        True,
        validation_alias="PACING_NEW_ACCOUNTS",
        description=(
            "whether an account at WhatsApp is paced for 28 days after it was linked, by limits that grow with its age "
            "([steps](real-account.md#pacing-for-a-new-account)) where one of the next three is not set; an account of the "
            "simulator is not"
        ),
    )
    pacing_messages_per_minute: OptionalCount = Field(
        None,
        validation_alias="PACING_MESSAGES_PER_MINUTE",
        description=(
            "messages that one connection sends in a minute, spread evenly; `0` is no limit, and so is none but "
            "for a new account"
        ),
    )
    pacing_messages_per_day: OptionalCount = Field(
        None,
        validation_alias="PACING_MESSAGES_PER_DAY",
        description="messages that one connection sends in a day (UTC); the others wait for the next; likewise",
    )
    pacing_new_chats_per_day: OptionalCount = Field(
        None,
        validation_alias="PACING_NEW_CHATS_PER_DAY",
        description=(
            "chats that one connection begins in a day (UTC) with people who never wrote; a person who answers that "
            "day does not count; messages to others wait for the next day, answers and groups go on; likewise"
        ),
    )
    pacing_chat_gap: Pause = Field(
        0,
        validation_alias="PACING_CHAT_GAP",
        description="how long a chat waits after one message for the next, at least",
    )
    pacing_chat_jitter: Pause = Field(
        0, validation_alias="PACING_CHAT_JITTER", description="and how much longer by chance"
    )


class EventSettings(Section):
    """Events, for webhooks and for readers."""

    title = "Events"
    intro = "See [webhooks](webhooks.md)."

    event_retention_days: int = Field(
        7,
        ge=2,
        le=365,
        validation_alias="EVENT_RETENTION_DAYS",
        description="days for which events are kept, for webhooks and for readers of `/api/events`; 2 at least",
    )
    webhook_url_private: bool = Field(
        False,
        validation_alias="WEBHOOK_URL_PRIVATE",
        description="whether a webhook may have a private address (loopback, a local network, a link's own)",
    )


class FileSettings(Section):
    """Files of messages; `sections/limits.py` has the bytes that callers may have of them."""

    title = "Files"
    intro = "See [media](media.md)."

    media_max_bytes: Annotated[Bytes, Field(ge=1024, le=250 * 2**20)] = Field(
        100 * 2**20,
        validation_alias="MEDIA_MAX_BYTES",
        description="bytes (also `16M`) that a file may have, `250M` at most",
    )
    disk_reserve: ByteCount = Field(
        512 * 2**20,
        validation_alias="DISK_RESERVE",
        description=(
            "bytes (also `2G`) of the disk that are for Redis, sessions and state alone, and the same share of its"
            " inodes: while no more are free, files that arrive wait (`deferred`), and uploads are refused (503 `disk_reserve`); a change "
            "holds at once; `0` for none. A quarter of it is for Redis and what was accepted before: while less is"
            " free, sends are refused too, and what arrives is not acknowledged. The alert of a full disk is `DISK_THRESHOLD`"
        ),
    )
    media_retention_days: Days = Field(
        30,
        validation_alias="MEDIA_RETENTION_DAYS",
        description=(
            "days for which a file is kept after it was last needed; one that a waiting message or a dead letter "
            "brings is always needed"
        ),
    )
    media_conversion_seconds: int = Field(
        120,
        ge=10,
        le=3600,
        validation_alias="MEDIA_CONVERSION_SECONDS",
        description=(
            "seconds that ffmpeg, where it is installed, has for a voice note or a video of a format that WhatsApp's apps"
            " do not play"
        ),
    )
    media_url_private: bool = Field(
        False,
        validation_alias="MEDIA_URL_PRIVATE",
        description=(
            "whether the URL of a file may lead to a private address; with it, who has a key with the scope "
            "`send` reaches whatever the gateway's host does"
        ),
    )
