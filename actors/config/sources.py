"""Where settings come from: flags, environment, settings file. Loaded by who resolves them only.

A process that reads `runtime.json` needs none of this, and there are many of those.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pydantic import SecretStr, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from actors.config.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from pydantic import ValidationError

__all__ = ["SettingsError", "read", "sentences"]

_HOST = re.compile(r"[\w.-]+")
_DATABASE = re.compile(r"(/\d*)?", re.ASCII)


class _Sourced(BaseSettings, Settings):
    model_config = SettingsConfigDict(
        extra="forbid", case_sensitive=True, validate_by_name=True, frozen=True
    )

    @field_validator("redis_url")
    @classmethod
    def _readable(cls, value: SecretStr | None) -> SecretStr | None:
        """As the client will read it; the reason is ours, for redis-py's may quote the password."""
        if value is None:
            return None
        from redis.asyncio import ConnectionPool  # noqa: PLC0415 - heavy, seldom needed
        from redis.exceptions import RedisError  # noqa: PLC0415

        url = value.get_secret_value()
        try:
            pool = ConnectionPool.from_url(url)
            pool.connection_class(**pool.connection_kwargs)
            # redis-py takes database 0 where it cannot read the number.
            parts = urlsplit(url)
            known = parts.scheme == "unix" or _DATABASE.fullmatch(parts.path) is not None
        except (ValueError, TypeError, RedisError):
            known = False
        if not known:
            raise ValueError("must be as in redis://:PASSWORD@HOST:6379/0 (or rediss://, unix://)")
        return value

    @field_validator("redis_host")
    @classmethod
    def _alone(cls, value: str | None) -> str | None:
        """Whatever else is in it would be read as another part of the address."""
        if value is None or _host(value.removeprefix("[").removesuffix("]")):
            return value
        raise ValueError("must be a host alone; its port is REDIS_PORT")

    @field_validator("ray_address")
    @classmethod
    def _a_cluster(cls, value: str | None) -> str | None:
        """Ray itself says what is wrong only once it could not be reached."""
        if not value:  # as Ray takes it
            return None
        try:
            parts = urlsplit(f"//{value}")
            whole = bool(parts.port) and parts.netloc == value and "@" not in value
            known = whole and _host(parts.hostname or "")
        except ValueError:
            known = False
        if not known:
            raise ValueError("must be HOST:PORT, as in 10.0.0.1:6379")
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        del settings_cls, file_secret_settings
        return init_settings, env_settings, dotenv_settings


def _host(written: str) -> bool:
    if _HOST.fullmatch(written):
        return True
    try:
        ip_address(written)
    except ValueError:
        return False
    return True


def read(file: Path | None, flags: dict[str, Any]) -> Settings:
    """The settings, strongest source first; raises ValidationError or `SettingsError`."""
    return _Sourced(_env_file=file, **flags)  # type: ignore[call-arg]


def sentences(error: ValidationError) -> list[str]:
    """What is wrong, a sentence each that names the setting and quotes no value."""
    found = []
    for problem in error.errors(include_url=False, include_input=False):
        if problem["type"] == "default_factory_not_called":
            continue  # it follows from another one
        name = ".".join(str(part) for part in problem["loc"]).upper()
        if problem["type"] == "extra_forbidden":
            found.append(f"{name} is not a setting of Teimoso.")
        else:
            reason = problem["msg"].removeprefix("Value error, ")
            found.append(f"{name} is not valid: {reason}.")
    return found
