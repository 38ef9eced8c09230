"""Settings of the limits of connections, API keys and the instance, and the quotas that they make."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field, ValidationInfo, field_validator

from actors.config.value_types import ByteCount  # noqa: TC001 - pydantic reads it
from actors.runtime.quotas import Quota

Requests = Annotated[int, Field(ge=0, le=100_000_000)]
Each = Annotated[int, Field(ge=1, le=100_000)]
Total = Annotated[int, Field(ge=1, le=1_000_000)]


class QuotaSettings(BaseModel):
    """Limits of the instance and of each connection; `Quota` combines two of them."""

    max_connections: int = Field(100, ge=1, le=10_000, validation_alias="MAX_CONNECTIONS")

    # requests a minute, of one gateway process; 0 for no limit
    rate_limit: Requests = Field(120_000, validation_alias="RATE_LIMIT")
    rate_limit_total: Requests = Field(240_000, validation_alias="RATE_LIMIT_TOTAL")

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

    # bytes of messages' files, on one host; 0 for no limit
    media_limit: ByteCount = Field(0, validation_alias="MEDIA_LIMIT")

    @field_validator("max_event_readers", "max_webhooks", "max_api_keys")
    @classmethod
    def _one_for_each(cls, value: int, info: ValidationInfo) -> int:
        connections = info.data.get("max_connections")
        if connections is not None and value <= connections:
            raise ValueError(
                f"must be at least {connections + 1}: one for each of MAX_CONNECTIONS, and one more"
            )
        return value

    @property
    def quotas(self) -> tuple[Quota, ...]:
        """All of them."""
        return (
            self.request_quota,
            self.reader_quota,
            self.webhook_quota,
            self.key_quota,
            self.file_quota,
        )

    @property
    def request_quota(self) -> Quota:
        """Requests of one gateway process in a minute."""
        return self._quota("RATE_LIMIT", "RATE_LIMIT_TOTAL", 1)

    @property
    def reader_quota(self) -> Quota:
        """Readers of `/api/events` of one gateway process."""
        return self._quota("EVENT_READERS_PER_CONNECTION", "MAX_EVENT_READERS", 10)

    @property
    def webhook_quota(self) -> Quota:
        """Webhooks of the instance."""
        return self._quota("WEBHOOKS_PER_CONNECTION", "MAX_WEBHOOKS", 60)

    @property
    def key_quota(self) -> Quota:
        """API keys of the instance."""
        return self._quota("API_KEYS_PER_CONNECTION", "MAX_API_KEYS", 60)

    @property
    def file_quota(self) -> Quota:
        """Bytes of files on one host. It has no limit of a connection: budgets of a day bound that (`settings`)."""
        return Quota(0, self.media_limit, self.max_connections, "", "MEDIA_LIMIT", 3600)

    def _quota(self, each: str, total: str, retry_after: int) -> Quota:
        return Quota(
            each=getattr(self, each.lower()),
            total=getattr(self, total.lower()),
            connections=self.max_connections,
            each_setting=each,
            total_setting=total,
            retry_after=retry_after,
        )
