"""The settings as documents: `docs/settings.md` and `.env.example`, made of the settings themselves.

`python -m gateway.cli.reference.settings_page` writes both anew, and `docs/api.md` with them.
"""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

from actors.config.descriptions import HEAD, SECTIONS
from actors.config.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

HINT = """\
# Every setting of Teimoso with its default. Copy it to .env, set what is to differ, and start with
# `teimoso up --settings .env`. The environment is stronger than this file; docs/settings.md says more.
"""


ROOT = Path(__file__).resolve().parents[3]


def markdown() -> str:
    """The reference: a table for each section. Raises KeyError for a setting without a description."""
    parts = [HEAD]
    for section in SECTIONS:
        rows = "".join(
            f"| `{name}` | {_shown(name)} | {text} |\n" for name, text in section.settings.items()
        )
        intro = f"{section.intro}\n\n" if section.intro else ""
        parts.append(
            f"## {section.title}\n\n{intro}| name | default | what it is |\n|---|---|---|\n{rows}"
        )
    return "\n".join(parts)


def env_example() -> str:
    """A settings file in which every setting stands, and none is set."""
    return HINT + "".join(
        f"\n# --- {one.title} ---\n{''.join(_lines(one.settings))}" for one in SECTIONS
    )


def described() -> set[str]:
    """The names that the documents have."""
    return {name for section in SECTIONS for name in section.settings}


def _lines(settings: Mapping[str, str]) -> Iterator[str]:
    for name, text in settings.items():
        default = _default(name)
        plain = re.sub(r"\[([^]]+)\]\([^)]+\)", r"\1", text).replace("`", "")
        yield "\n" + textwrap.fill(plain, 96, initial_indent="# ", subsequent_indent="# ") + "\n"
        yield f"#{name}={'' if default is None else default}\n"


def _shown(name: str) -> str:
    default = _default(name)
    return "none" if default is None else f"`{default}`"


def _default(name: str) -> str | None:
    """As a person writes it."""
    fields = {str(field.validation_alias): field for field in Settings.model_fields.values()}
    value = fields[name].get_default(call_default_factory=True, validated_data={})
    if value is None:
        return None
    return str(value).lower() if isinstance(value, bool) else str(value)


if __name__ == "__main__":
    from gateway.cli.reference import api_page

    (ROOT / "docs" / "api.md").write_text(api_page.markdown())
    (ROOT / "docs" / "settings.md").write_text(markdown())
    (ROOT / ".env.example").write_text(env_example())
