"""Where settings come from: flags, environment, settings file. Loaded by who resolves them only.

A process that reads `runtime.json` needs none of this, and there are many of those.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from actors.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

__all__ = ["SettingsError", "read"]


class _Sourced(BaseSettings, Settings):
    model_config = SettingsConfigDict(
        extra="forbid", case_sensitive=True, validate_by_name=True, frozen=True
    )

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


def read(file: Path | None, flags: dict[str, Any]) -> Settings:
    """The settings, strongest source first; raises ValidationError or `SettingsError`."""
    return _Sourced(_env_file=file, **flags)  # type: ignore[call-arg]
