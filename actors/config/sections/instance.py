"""Declares the settings of the instance itself: data directory, API address and key, logs, retention of history."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, field_validator

from actors.config.sections.section import Section
from actors.config.value_types import Bytes, Days, Port  # noqa: TC001 - pydantic reads them


class InstanceSettings(Section):
    """The directory of the instance, the address of its API, its logs."""

    title = "The instance"

    data: Path = Field(
        Path("data"),
        validation_alias="TEIMOSO_DATA",
        description="the directory that holds everything that lasts; also `--data`",
    )
    host: str = Field(
        "127.0.0.1",
        validation_alias="TEIMOSO_HOST",
        description="the address at which the API listens",
    )
    port: Port = Field(
        8090, validation_alias="PORT", description="the port of the API; also `--port`"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info",
        validation_alias="LOG_LEVEL",
        description="`debug`, `info`, `warning` or `error`; from `warning` on requests are not logged",
    )
    log_max_bytes: Annotated[Bytes, Field(ge=2**16, le=2**34)] = Field(
        2**25,
        validation_alias="LOG_MAX_BYTES",
        description=(
            "bytes (also `32M`) that a log under `logs/` may have, and one of Ray's; then it is cut, and the four"
            " before it are kept"
        ),
    )
    teimoso_api_key: SecretStr | None = Field(
        None,
        validation_alias="TEIMOSO_API_KEY",
        description="the first API key, instead of one that is made and shown once; kept hashed. Commands send it",
    )
    history_retention_days: Days = Field(
        90,
        validation_alias="HISTORY_RETENTION_DAYS",
        description="days for which recovery history and alerts that are over are kept",
    )

    @field_validator("data")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @property
    def reached_at(self) -> str:
        """The host at which this machine reaches the gateway: one address where it has all of them."""
        return "127.0.0.1" if self.host in ("0.0.0.0", "::", "") else self.host  # noqa: S104

    @property
    def logs(self) -> Path:
        """The directory of the logs, with one file per process."""
        return self.data / "logs"

    @property
    def traces(self) -> Path:
        """The directory of the traces: shapes of connections' traffic, recorded on request."""
        return self.logs / "trace"
