"""Settings of the limits of connections, API keys and the instance, and the limits and quotas that they make.

`MAX_…` is for the instance, or for each of its hosts or gateway processes where the description says so;
`…_PER_CONNECTION` is for each connection, over all API keys that are for it. RATE_LIMIT, MEDIA_LIMIT and
SPOOL_LIMIT are older than this rule.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field, ValidationInfo, field_validator

from actors.config.value_types import ByteCount, Bytes  # noqa: TC001 - pydantic reads them
from actors.runtime.limits.limits import Limit, disk_limit
from actors.runtime.limits.quotas import Quota

Requests = Annotated[int, Field(ge=0, le=100_000_000)]
Each = Annotated[int, Field(ge=1, le=100_000)]
Total = Annotated[int, Field(ge=1, le=1_000_000)]


class LimitSettings(BaseModel):
    """Limits of the instance and of each connection; `Quota` combines two of them."""

    max_connections: int = Field(100, ge=1, le=10_000, validation_alias="MAX_CONNECTIONS")

    # requests a minute, of one gateway process; 0 for no limit
    rate_limit: Requests = Field(120_000, validation_alias="RATE_LIMIT")
    max_requests: Requests = Field(240_000, validation_alias="MAX_REQUESTS")

    # readers of `/api/events`, of one gateway process
    event_readers_per_connection: Each = Field(50, validation_alias="EVENT_READERS_PER_CONNECTION")
    max_event_readers: Total = Field(
        default_factory=lambda known: 5 * (known.get("max_connections", 100) + 1),
        validate_default=True,
        validation_alias="MAX_EVENT_READERS",
    )

    webhooks_per_connection: Each = Field(20, validation_alias="WEBHOOKS_PER_CONNECTION")
    max_webhooks: Total = Field(
        default_factory=lambda known: 2 * (known.get("max_connections", 100) + 1),
        validate_default=True,
        validation_alias="MAX_WEBHOOKS",
    )

    api_keys_per_connection: Each = Field(50, validation_alias="API_KEYS_PER_CONNECTION")
    max_api_keys: Total = Field(
        default_factory=lambda known: 10 * (known.get("max_connections", 100) + 1),
        validate_default=True,
        validation_alias="MAX_API_KEYS",
    )

    # bytes of Redis
    queue_memory_per_connection: ByteCount = Field(
        2**30, validation_alias="QUEUE_MEMORY_PER_CONNECTION"
    )
    max_redis_memory: ByteCount = Field(0, validation_alias="MAX_REDIS_MEMORY")

    # messages that wait on a gateway's disk while Redis is away
    spool_limit: int = Field(100_000, ge=1, le=10_000_000, validation_alias="SPOOL_LIMIT")

    # bytes of messages' files: of one, of all on a host, and in a day (UTC); 0 for no limit
    media_max_bytes: Annotated[Bytes, Field(ge=1024, le=250 * 2**20)] = Field(
        100 * 2**20, validation_alias="MEDIA_MAX_BYTES"
    )
    media_limit: ByteCount = Field(0, validation_alias="MEDIA_LIMIT")
    media_uploads_per_connection: ByteCount = Field(
        2 * 2**30, validation_alias="MEDIA_UPLOADS_PER_CONNECTION"
    )
    media_downloads_per_connection: ByteCount = Field(
        2 * 2**30, validation_alias="MEDIA_DOWNLOADS_PER_CONNECTION"
    )
    media_downloads_per_sender: ByteCount = Field(
        512 * 2**20, validation_alias="MEDIA_DOWNLOADS_PER_SENDER"
    )

    # bytes that files leave free
    disk_reserve: ByteCount = Field(512 * 2**20, validation_alias="DISK_RESERVE")

    @field_validator("max_event_readers", "max_webhooks", "max_api_keys")
    @classmethod
    def _one_for_each(cls, value: int, info: ValidationInfo) -> int:
        connections = info.data.get("max_connections")
        if connections is not None and value <= connections:
            raise ValueError(
                f"must be at least {connections + 1}: one for each of MAX_CONNECTIONS, and one more"
            )
        return value

    @field_validator(
        "media_uploads_per_connection",
        "media_downloads_per_connection",
        "media_downloads_per_sender",
    )
    @classmethod
    def _fits(cls, value: int, info: ValidationInfo) -> int:
        if 0 < value < info.data.get("media_max_bytes", 0):
            raise ValueError("must be 0, or have room for a file of MEDIA_MAX_BYTES")
        return value

    @property
    def limits(self) -> tuple[Limit, ...]:
        """All that refuse a caller."""
        quotas = (
            self.request_quota,
            self.reader_quota,
            self.webhook_quota,
            self.key_quota,
            self.file_quota,
            self.spool_quota,
        )
        of_quotas = (limit for quota in quotas for limit in (quota.each, quota.total))
        return (
            self.connection_limit,
            *(limit for limit in of_quotas if limit is not None),
            self.upload_limit,
            self.queue_limit,
            self.redis_limit,
            disk_limit(self.disk_reserve),
        )

    @property
    def connection_limit(self) -> Limit:
        """Connections of the instance."""
        return self._limit("MAX_CONNECTIONS", "too_many_connections", 60)

    @property
    def request_quota(self) -> Quota:
        """Requests of one gateway process in a minute."""
        each = self._limit("RATE_LIMIT", "rate_limited", 1)
        return self._quota(each, "MAX_REQUESTS", 1)

    @property
    def reader_quota(self) -> Quota:
        """Readers of `/api/events` of one gateway process."""
        each = self._limit("EVENT_READERS_PER_CONNECTION", "quota_reached", 10)
        return self._quota(each, "MAX_EVENT_READERS", 10)

    @property
    def webhook_quota(self) -> Quota:
        """Webhooks of the instance."""
        each = self._limit("WEBHOOKS_PER_CONNECTION", "quota_reached", 60)
        return self._quota(each, "MAX_WEBHOOKS", 60)

    @property
    def key_quota(self) -> Quota:
        """API keys of the instance."""
        each = self._limit("API_KEYS_PER_CONNECTION", "quota_reached", 60)
        return self._quota(each, "MAX_API_KEYS", 60)

    @property
    def file_quota(self) -> Quota:
        """Bytes of files on one host. A connection has no limit of them but that of a day (`upload_limit`)."""
        return self._quota(None, "MEDIA_LIMIT", 3600)

    @property
    def spool_quota(self) -> Quota:
        """Messages that wait on the disk of one host while Redis is away."""
        limit = self._limit("SPOOL_LIMIT", "spool_unavailable", 5)
        return Quota(None, limit, self.max_connections)

    @property
    def upload_limit(self) -> Limit:
        """Bytes of files that callers may upload for a connection in a day (UTC), on one host."""
        return self._limit("MEDIA_UPLOADS_PER_CONNECTION", "upload_budget_reached", 60)

    @property
    def queue_limit(self) -> Limit:
        """Bytes of Redis that the messages of a connection may have."""
        return self._limit("QUEUE_MEMORY_PER_CONNECTION", "queue_full", 30)

    @property
    def redis_limit(self) -> Limit:
        """Bytes that Redis may have in use; a size of 0 leaves it to the server (`actors.redis.client.memory`)."""
        return self._limit("MAX_REDIS_MEMORY", "redis_full", 30)

    def _limit(self, setting: str, code: str, retry_after: int) -> Limit:
        return Limit(setting, getattr(self, setting.lower()), code, retry_after)

    def _quota(self, each: Limit | None, total: str, retry_after: int) -> Quota:
        limit = self._limit(total, "instance_limit_reached", retry_after)
        return Quota(each, limit, self.max_connections)
