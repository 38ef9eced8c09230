"""Returns the texts, defaults and values of settings for people: the CLI, the console and the generated pages.

`actors.config` declares the settings.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pydantic import SecretStr

from actors.config.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic.fields import FieldInfo

SETTING_FIELDS: Final[Mapping[str, FieldInfo]] = {
    str(field.validation_alias): field for field in Settings.model_fields.values()
}
"""The fields of all settings, by the names in the environment."""

FIELD_NAMES: Final[Mapping[str, str]] = {
    str(field.validation_alias): name for name, field in Settings.model_fields.items()
}
"""The names of the fields, by those in the environment."""

HIDDEN_VALUE: Final = "(set)"
"""In place of a secret."""


def text(name: str) -> str:
    """Return the description of a setting, as Markdown."""
    found = SETTING_FIELDS[name].description
    assert found is not None, name  # a test looks at all of them
    return found


def plain(markdown: str) -> str:
    """The text with its links as words."""
    return re.sub(r"\[([^]]+)\]\([^)]+\)", r"\1", markdown)


def default(name: str, settings: Settings | None = None) -> str | None:
    """Return the default as a person writes it, None without one; with `settings` as it follows from the others."""
    values = {} if settings is None else dict(settings)
    return written(
        SETTING_FIELDS[name].get_default(call_default_factory=True, validated_data=values)
    )


def written(value: Any) -> str | None:
    """Return the value of a setting as a person writes it, and of a secret only that it is set."""
    if value is None:
        return None
    shown = shown_value(value)
    if isinstance(shown, float) and shown.is_integer():
        shown = int(shown)
    return str(shown).lower() if isinstance(shown, bool) else str(shown)


def shown_value(value: Any) -> Any:
    """Return the value for JSON, and of a secret only that it is set."""
    if isinstance(value, SecretStr):
        return HIDDEN_VALUE
    return str(value) if isinstance(value, Path) else value
