"""Declares the settings of standby actors, restarts, heartbeats, health checks and alert thresholds."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from actors.config.sections.section import Section
from actors.config.value_types import (  # noqa: TC001 - pydantic reads them
    ByteCount,
    Bytes,
    Latency,
    Milliseconds,
    Pause,
    Percent,
)


class RecoverySettings(Section):
    """Restarts after a fall, checks of health, and the thresholds of alerts."""

    title = "Recovery and health"

    auto_recovery: bool = Field(
        True,
        validation_alias="AUTO_RECOVERY",
        description="whether a connection that fell is started again; `false` leaves it `failed`",
    )
    standby_actors: int = Field(
        1,
        ge=0,
        le=10,
        validation_alias="STANDBY_ACTORS",
        description="processes that wait, everything loaded, to take a connection over",
    )
    max_restarts: int = Field(
        10,
        ge=1,
        le=1000,
        validation_alias="MAX_RESTARTS",
        description="falls of a connection, one after the other, until it is left `failed` for a while (`crash_loop`)",
    )
    min_uptime: Milliseconds = Field(
        10_000,
        validation_alias="MIN_UPTIME",
        description="a life shorter than this counts as such a fall",
    )
    max_memory_restart: Annotated[Bytes, Field(ge=2**27)] = Field(
        2**30,
        validation_alias="MAX_MEMORY_RESTART",
        description=(
            "bytes (also `800M`, `1G`) of memory over which a process is drained and restarted; no less than "
            "`128M`, nor sooner than three times `MIN_UPTIME` after it was last"
        ),
    )
    restart_backoff_base: Milliseconds = Field(
        500,
        validation_alias="RESTART_BACKOFF_BASE",
        description=(
            "the longest pause before the first reconnect or the second restart in a row; it doubles with each "
            "one"
        ),
    )
    restart_backoff_cap: Milliseconds = Field(
        60_000, validation_alias="RESTART_BACKOFF_CAP", description="and grows no longer than this"
    )
    heartbeat_interval: Milliseconds = Field(
        30_000,
        validation_alias="HEARTBEAT_INTERVAL",
        description="how often a connection's owner says that it lives; silent for three of them, it is an alert",
    )
    health_check_interval: Milliseconds = Field(
        30_000,
        validation_alias="HEALTH_CHECK_INTERVAL",
        description="how often the health of everything is looked at",
    )
    alert_repeat_interval: Pause = Field(
        3_600_000,
        validation_alias="ALERT_REPEAT_INTERVAL",
        description=(
            "after how long an alert that lasts is repeated (`alert.repeated`); each time after twice as long, "
            "up to a day; `0` is never"
        ),
    )
    queue_threshold: int = Field(
        100,
        ge=1,
        le=10_000_000,
        validation_alias="QUEUE_THRESHOLD",
        description="messages that wait, of all connections together, above which it is an alert (`queue_backlog`)",
    )
    zombie_threshold: Milliseconds = Field(
        30_000,
        ge=5_000,
        validation_alias="ZOMBIE_THRESHOLD",
        description=(
            "how long WhatsApp may say nothing on an `open` connection until it is asked for a sign of life; 5000"
            " at least. Without two answers in a row, 10 s each, the connection is restarted (`zombie`)"
        ),
    )
    cpu_threshold: Percent = Field(
        80,
        validation_alias="CPU_THRESHOLD",
        description="percent of the machine above which `/health` is not `healthy`",
    )
    memory_threshold: Percent = Field(
        85, validation_alias="MEMORY_THRESHOLD", description="the same of its memory"
    )
    disk_threshold: ByteCount = Field(
        64 * 2**20,
        validation_alias="DISK_THRESHOLD",
        description="bytes (or `64M`) that a disk of the service must have left",
    )
    redis_latency_threshold: Latency = Field(
        250,
        validation_alias="REDIS_LATENCY_THRESHOLD",
        description="milliseconds above which Redis is slow: for a ping",
    )
    store_latency_threshold: Latency = Field(
        1000,
        validation_alias="STORE_LATENCY_THRESHOLD",
        description="milliseconds above which the state store is slow: for reading one document",
    )
