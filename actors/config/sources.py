"""Resolves and validates `Settings` from flags, environment and settings file, for instance starts, CLI and jobs.

A process that reads `runtime.json` (`Settings.load`) does not load this module: it is heavy, and
there are many of those processes.
"""

from __future__ import annotations

import difflib
import re
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from pydantic import SecretStr, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from actors.config.rules_in_words import EXAMPLE, rule
from actors.config.settings import InvalidSettings, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydantic_core import ErrorDetails

FORMER_SETTINGS = {
    "EXP_BACKOFF_RESTART_DELAY": "RESTART_BACKOFF_BASE",
    "NODE_OPTIONS": "MAX_MEMORY_RESTART",
}
"""Names that the guide has and Teimoso has not, each with the setting that serves its purpose."""

ENGINE_REMOVED = (
    "ENGINE is not a setting of Teimoso: whatsmeow serves all connections; an account that the engine native linked"
    " has to be linked anew, as a new connection (its data stays)."
)

SHORTEST = 8  # characters of a name: a shorter one is similar to too many
ALIKE = 0.9

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
            valid = parts.scheme == "unix" or _DATABASE.fullmatch(parts.path) is not None
        except (ValueError, TypeError, RedisError):
            valid = False
        if not valid:
            raise ValueError("must be as in redis://:PASSWORD@HOST:6379/0 (or rediss://, unix://)")
        return value

    @field_validator("whatsapp_proxy")
    @classmethod
    def _a_proxy(cls, value: SecretStr | None) -> SecretStr | None:
        from actors.connection.proxy.address import parse  # noqa: PLC0415 - seldom needed

        if value is None or not value.get_secret_value():
            return None
        parse(value.get_secret_value())  # its reason quotes nothing
        return value

    @field_validator("redis_host")
    @classmethod
    def _alone(cls, value: str | None) -> str | None:
        """Refuse more than a host: it would be read as another part of the address."""
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
            valid = whole and _host(parts.hostname or "")
        except ValueError:
            valid = False
        if not valid:
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


def resolve_settings(file: Path | None = None, **flags: Any) -> Settings:
    """Read flags, environment and `file`; raise `InvalidSettings` naming what is wrong.

    A `file` that is given must exist. Flags that are ``None`` count as not given.
    """
    if file is not None and not file.is_file():
        raise InvalidSettings(f"The settings file {file} does not exist.")
    given = {name: value for name, value in flags.items() if value is not None}
    try:
        found = _Sourced(_env_file=file, **given)  # type: ignore[call-arg]
    except ValidationError as error:
        raise InvalidSettings("\n".join(_sentences(error))) from None
    except SettingsError as error:
        raise InvalidSettings(str(error)) from None
    # Which ones were given stays known: a start changes no port that is left open.
    return Settings.model_construct(found.model_fields_set, **dict(found))


def check_environment(environment: Mapping[str, str]) -> None:
    """Refuse what is but a slip away from a setting's name; raises `InvalidSettings`.

    The environment is full of other names, so no other unknown one can be refused.
    """
    for name in environment:
        if _similar(name) is not None:
            raise InvalidSettings(_unknown(name))


def _unknown(name: str) -> str:
    """A sentence that refuses a name; it names the setting that is meant, where that is known."""
    if name == "ENGINE":
        return ENGINE_REMOVED
    meant = FORMER_SETTINGS.get(name) or _similar(name)
    return f"{name} is not a setting of Teimoso" + (f"; {meant} is one." if meant else ".")


def _similar(name: str) -> str | None:
    """The setting from whose name this one is but a slip away; None where none is, or it is one itself."""
    settings = {str(field.validation_alias) for field in Settings.model_fields.values()}
    if name in settings or len(name) < SHORTEST:
        return None
    return next(iter(difflib.get_close_matches(name, settings, 1, ALIKE)), None)


def _sentences(error: ValidationError) -> list[str]:
    """A sentence for each invalid setting: it names the setting and quotes no value."""
    found = []
    for problem in error.errors(include_url=False, include_input=False):
        if problem["type"] == "default_factory_not_called":
            continue  # it follows from another one
        name = ".".join(str(part) for part in problem["loc"])
        field = Settings.model_fields.get(name)  # a flag has the name of its field
        name = name.upper() if field is None else str(field.validation_alias)
        if problem["type"] == "extra_forbidden":
            found.append(_unknown(name))
        else:
            found.append(f"{name} is not valid: {_rule(name, problem)}.")
    return found


def _rule(name: str, problem: ErrorDetails) -> str:
    """The rule that the setting breaks, with its default as an example where the rule has none."""
    words = rule(problem)
    default = _DEFAULTS.get(name)
    return words if default is None or EXAMPLE in words else f"{words}{EXAMPLE}{default}"


def _defaults() -> Iterator[tuple[str, str]]:
    """The defaults that are an example of a setting, as a person writes each, by name."""
    for field in Settings.model_fields.values():
        match field.default:
            case bool():
                yield str(field.validation_alias), str(field.default).lower()
            case float():
                yield str(field.validation_alias), f"{field.default:g}"
            case int() | str() | Path():
                yield str(field.validation_alias), str(field.default)


_DEFAULTS: Final[Mapping[str, str]] = {name: text for name, text in _defaults() if text}
