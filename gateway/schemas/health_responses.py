"""Defines the answer models of the health, liveness, readiness and load routes."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from gateway.http.response_base import Answer, Time
from gateway.schemas.response_models import AlertAnswer, BreakerState, Connection  # noqa: TC001 - pydantic reads them


class Alive(Answer):
    """The process of the gateway answers; it looked at no other part."""

    status: Literal["alive"] = "alive"


class Ready(Answer):
    """Whether Redis and the state store answer."""

    status: Literal["ready", "not_ready"]
    redis: bool
    store: bool


class ConnectionCounts(Answer):
    """The numbers of connections."""

    total: int
    open: int = Field(description="Those that are open.")
    failed: int
    recovering: int
    active: int = Field(description="Superseded by `open`.", json_schema_extra={"deprecated": True})


class QueueCounts(Answer):
    """The numbers of messages in the queue."""

    waiting: int
    active: int = Field(description="Those that are being sent.")
    dead: int = Field(description="Dead letters.")
    failed: int = Field(description="Superseded by `dead`.", json_schema_extra={"deprecated": True})


class Memory(Answer):
    """The machine's memory in use."""

    percentage: float


class Resources(Answer):
    """The machine's load, in percent."""

    cpu: float
    memory: Memory


class Health(Answer):
    """The health of the service, as anybody may see it."""

    status: Literal["healthy", "degraded", "unhealthy"]
    uptime: int = Field(description="Seconds.")
    connections: ConnectionCounts
    queue: QueueCounts
    resources: Resources


class RedisHealth(Answer):
    """Redis, as the gateway finds it."""

    up: bool
    durable: bool | None = Field(
        description="Whether an accepted message is on disk before the answer (G1)."
    )
    reason: str | None
    memory: int | None = Field(description="Bytes that it has in use.")
    memory_limit: int | None = Field(description="Bytes from which every send is refused.")


class StoreHealth(Answer):
    """The state store, as the gateway finds it."""

    up: bool


class FullHealth(Health):
    """The health of the service, as a caller with a key sees it."""

    reasons: list[str] = Field(description="The codes of what keeps it from being healthy.")
    alerts: list[AlertAnswer] = Field(description="Those that are active, the newest first.")
    breakers: dict[str, BreakerState] = Field(
        description="Of what the monitor asks, `redis`, `store`, `bucket` and the look at all"
        " `connections`: `open` while that is left alone because it failed again and again,"
        " `half_open` before it is tried once more. Empty while the tree of actors is silent."
    )
    redis: RedisHealth
    store: StoreHealth
    items: list[Connection]


class Load(Answer):
    """The resources that the machine and this instance used at one moment."""

    at: Time
    cpu: float = Field(description="Percent of the machine.")
    memory: float = Field(description="Percent of the machine.")
    own_cpu: float = Field(description="Of this instance, percent of the machine.")
    own_memory: int = Field(description="Of this instance, bytes; what is shared counts each time.")
    processes: int = Field(description="Of this instance.")
    disk: int | None = Field(description="Bytes that are left on the fullest disk.")


class Loads(Answer):
    """The load of the last looks at the machine."""

    items: list[Load] = Field(description="Oldest first; none before the monitor looked.")
    next: None = None
