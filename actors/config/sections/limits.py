"""Declares the settings that limit connections, API keys and the instance, and builds limits and quotas from them.

`MAX_…` is for the instance, or for each of its hosts or gateway processes where the description says so;
`…_PER_CONNECTION` is for each connection, over all API keys that are for it. RATE_LIMIT and MEDIA_LIMIT are older
than this rule.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, ValidationInfo, field_validator, model_validator

from actors.config.sections.messages import FileSettings
from actors.config.value_types import ByteCount  # noqa: TC001 - pydantic reads it
from actors.runtime.limits.limits import Limit, disk_limit
from actors.runtime.limits.quotas import Quota

Requests = Annotated[int, Field(ge=0, le=100_000_000)]
Each = Annotated[int, Field(ge=1, le=100_000)]
Total = Annotated[int, Field(ge=1, le=1_000_000)]


class LimitSettings(FileSettings):
    """Limits of the instance and of each connection; `Quota` combines two of them.

    Some are bounded by a setting of files, which is validated before.
    """

    title = "Limits"
    intro = """`MAX_…` is for the instance, `…_PER_CONNECTION` for each connection, over all API keys that are for it. Two
older names do not say so: `RATE_LIMIT` is for each connection, `MEDIA_LIMIT` for each host. A caller at a limit gets 429 for a connection or a
key and 503 for the instance, with `Retry-After`, and the answer names the setting: its code is `quota_reached` or
`instance_limit_reached` where no other is named below. Half of each limit of the instance, but for `MAX_CONNECTIONS`,
is reserved for connections in equal parts ([tenants](security.md#the-parts-of-tenants))."""

    max_connections: int = Field(
        100,
        ge=1,
        le=10_000,
        validation_alias="MAX_CONNECTIONS",
        description="connections that may exist; beyond it 503 `too_many_connections`",
    )
    rate_limit: Requests = Field(
        120_000,
        validation_alias="RATE_LIMIT",
        description=(
            "requests that each API key, and each connection by all its keys, may make of one gateway process in "
            "a minute, all of them at once too (429 `rate_limited`); `0` for no limit"
        ),
    )
    max_requests: Requests = Field(
        240_000,
        validation_alias="MAX_REQUESTS",
        description="requests that all keys may make of one gateway process in a minute; `0` for no limit",
    )
    concurrent_requests_per_connection: Each = Field(
        100,
        validation_alias="CONCURRENT_REQUESTS_PER_CONNECTION",
        description=(
            "requests that each connection and each API key may have at one gateway process at once, from their "
            "head to the end of their answer (429 `quota_reached`); sends with `wait` are counted apart, with the "
            "same limits"
        ),
    )
    max_concurrent_requests: Total = Field(
        default_factory=lambda fields: max(400, 4 * (fields.get("max_connections", 100) + 1)),
        validate_default=True,
        validation_alias="MAX_CONCURRENT_REQUESTS",
        description=(
            "requests that one gateway process has at once; the default is 4 for each of `MAX_CONNECTIONS` and 4 "
            "more, 400 at least"
        ),
    )
    event_readers_per_connection: Each = Field(
        50,
        validation_alias="EVENT_READERS_PER_CONNECTION",
        description=(
            "readers of `/api/events`, pages of the console that are looked at among them, that each connection and "
            "each API key may have at one gateway process"
        ),
    )
    max_event_readers: Total = Field(
        default_factory=lambda fields: 5 * (fields.get("max_connections", 100) + 1),
        validate_default=True,
        validation_alias="MAX_EVENT_READERS",
        description="readers that one gateway process has; the default is 5 for each of `MAX_CONNECTIONS`, and 5",
    )
    webhooks_per_connection: Each = Field(
        20,
        validation_alias="WEBHOOKS_PER_CONNECTION",
        description="webhooks that each connection may have",
    )
    max_webhooks: Total = Field(
        default_factory=lambda fields: 2 * (fields.get("max_connections", 100) + 1),
        validate_default=True,
        validation_alias="MAX_WEBHOOKS",
        description="webhooks of the instance; the default is 2 for each of `MAX_CONNECTIONS`, and 2",
    )
    api_keys_per_connection: Each = Field(
        50,
        validation_alias="API_KEYS_PER_CONNECTION",
        description="API keys that each connection may have",
    )
    max_api_keys: Total = Field(
        default_factory=lambda fields: 10 * (fields.get("max_connections", 100) + 1),
        validate_default=True,
        validation_alias="MAX_API_KEYS",
        description="API keys of the instance; the default is 10 for each of `MAX_CONNECTIONS`, and 10",
    )
    queue_memory_per_connection: ByteCount = Field(
        2**30,
        validation_alias="QUEUE_MEMORY_PER_CONNECTION",
        description=(
            "bytes (also `500M`) of Redis that the messages of one connection may take, those that ended within a day "
            "among them; beyond it sends are refused (429 `queue_full`); `0` for no limit"
        ),
    )
    max_redis_memory: ByteCount = Field(
        0,
        validation_alias="MAX_REDIS_MEMORY",
        description=(
            "bytes that Redis may have in all before every send is refused (503 `redis_full`); `0` for nine "
            "tenths of its `maxmemory`, or where it has none for half of its machine's memory (of its "
            "container's, where that is less). Once half of it is used, each connection has an equal part of the "
            "other half"
        ),
    )
    stored_bytes_per_connection: ByteCount = Field(
        0,
        validation_alias="STORED_BYTES_PER_CONNECTION",
        description=(
            "bytes (also `5G`) that a connection may keep in a state store on the disk (SQLite): its messages, chats and"
            " contacts, its events and their deliveries. Beyond it sends are refused (429 `store_full`), and what arrives"
            " waits at WhatsApp, until retention or `prune-messages` made room; `0` for no limit"
        ),
    )
    max_stored_bytes: ByteCount = Field(
        0,
        validation_alias="MAX_STORED_BYTES",
        description=(
            "bytes that these of all connections may take together (503 `instance_limit_reached`); `0` for what the disk"
            " has: once less than `DISK_RESERVE` is free, a connection that left the others no more than their equal parts"
            " of half of it waits"
        ),
    )
    media_limit: ByteCount = Field(
        0,
        validation_alias="MEDIA_LIMIT",
        description=(
            "bytes (also `20G`) that all files of this host may have together, a smaller one counted as 16 KiB, before no more"
            " is taken from callers; `0` for what the disk has for files beyond `DISK_RESERVE`. Files that arrive from WhatsApp are kept"
            " beyond it, in equal parts of the disk, or of this where it is more: one without room in its connection's"
            " waits (`deferred`)"
        ),
    )
    media_uploads_per_connection: ByteCount = Field(
        2 * 2**30,
        validation_alias="MEDIA_UPLOADS_PER_CONNECTION",
        description=(
            "bytes (also `2G`) that callers may upload for one connection in a day (UTC), by file or by URL, on "
            "this host, a file of less counted as 16 KiB; beyond it 429 `upload_budget_reached`; `MEDIA_MAX_BYTES` at least; `0` for no limit"
        ),
    )
    media_downloads_per_connection: ByteCount = Field(
        2 * 2**30,
        validation_alias="MEDIA_DOWNLOADS_PER_CONNECTION",
        description=(
            "bytes of files that arrive for one connection in a day (UTC), a smaller one counted as 16 KiB; further ones wait (`deferred`) for the"
            " next day; `MEDIA_MAX_BYTES` at least; `0` for no limit"
        ),
    )
    media_downloads_per_sender: ByteCount = Field(
        512 * 2**20,
        validation_alias="MEDIA_DOWNLOADS_PER_SENDER",
        description="the same for those of one sender to one connection",
    )

    @model_validator(mode="before")
    @classmethod
    def _without_spool(cls, values: Any) -> Any:
        """Pass over the limits of a spool in a `runtime.json` of an instance that was not started since it had one."""
        if not isinstance(values, dict):
            return values
        return {name: values[name] for name in values.keys() - {"spool_limit", "max_spool_bytes"}}

    @field_validator("max_concurrent_requests", "max_event_readers", "max_webhooks", "max_api_keys")
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
            self.concurrency_quota,
            self.reader_quota,
            self.webhook_quota,
            self.key_quota,
            self.file_quota,
            self.store_quota,
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
    def concurrency_quota(self) -> Quota:
        """Requests of one gateway process at once."""
        each = self._limit("CONCURRENT_REQUESTS_PER_CONNECTION", "quota_reached", 1)
        return self._quota(each, "MAX_CONCURRENT_REQUESTS", 1)

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
    def store_quota(self) -> Quota:
        """Bytes of documents in a state store on the disk; a total of 0 leaves it to the disk (`StoreFloor`)."""
        each = self._limit("STORED_BYTES_PER_CONNECTION", "store_full", 3600)
        return self._quota(each, "MAX_STORED_BYTES", 60)

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

    @property
    def redis_parts(self) -> int:
        """The number of equal parts in which half of Redis's memory is reserved: one for each connection, and one more."""
        return self.max_connections + 1

    def _limit(self, setting: str, code: str, retry_after: int) -> Limit:
        return Limit(setting, getattr(self, setting.lower()), code, retry_after)

    def _quota(self, each: Limit | None, total: str, retry_after: int) -> Quota:
        limit = self._limit(total, "instance_limit_reached", retry_after)
        return Quota(each, limit, self.max_connections)
