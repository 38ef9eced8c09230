"""Generates `docs/settings.md` and `.env.example` from the declarations of the settings.

`python -m gateway.cli.reference.settings_page` writes both anew, and with them what is made of the OpenAPI document.
"""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

from actors.config.settings import SECTIONS
from gateway import setting_texts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from actors.config.sections.section import Section

SETTINGS_HEAD = """\
# Settings

Each is an environment variable, or a line `NAME=VALUE` of the settings file that
`teimoso up --settings FILE` is given; the environment is stronger than the file. They are read once,
at the start. A bad value stops it with a sentence that names the setting, and so does an unknown
name in the file; in the environment, which is full of other names, one that is a slip away from a
setting's.

`teimoso settings show` lists what an instance goes by, `teimoso settings set NAME=VALUE` changes it
for good. Only `WHATSAPP_VERSION`, `DISK_RESERVE`, `STORED_BYTES_PER_CONNECTION` and `MAX_STORED_BYTES` may change
while the instance runs; everything else needs `teimoso down` first.

Intervals and pauses are milliseconds, where nothing else is said.
"""

HINT = """\
# Every setting of Teimoso with its default. Copy it to .env, set what is to differ, and start with
# `teimoso up --settings .env`. The environment is stronger than this file; docs/settings.md says more.
"""


REPOSITORY = Path(__file__).resolve().parents[3]


def markdown() -> str:
    """Return the reference: a table for each section."""
    parts = [SETTINGS_HEAD]
    for section in SECTIONS:
        rows = "".join(
            f"| `{name}` | {_shown(name)} | {setting_texts.text(name)} |\n"
            for name in section.own_fields()
        )
        intro = f"{section.intro}\n\n" if section.intro else ""
        parts.append(
            f"## {section.title}\n\n{intro}| name | default | what it is |\n|---|---|---|\n{rows}"
        )
    return "\n".join(parts)


def env_example() -> str:
    """Return a settings file that has every setting, and sets none."""
    return HINT + "".join(f"\n# --- {one.title} ---\n{''.join(_lines(one))}" for one in SECTIONS)


def _lines(section: type[Section]) -> Iterator[str]:
    for name in section.own_fields():
        default = setting_texts.default(name)
        plain = setting_texts.plain(setting_texts.text(name)).replace("`", "")
        yield "\n" + textwrap.fill(plain, 96, initial_indent="# ", subsequent_indent="# ") + "\n"
        yield f"#{name}={'' if default is None else default}\n"


def _shown(name: str) -> str:
    default = setting_texts.default(name)
    return "none" if default is None else f"`{default}`"


if __name__ == "__main__":
    from gateway.cli.reference import api_page, collections_page, command_page, metrics_page

    (REPOSITORY / "docs" / "api.md").write_text(api_page.markdown())
    (REPOSITORY / "docs" / "cli.md").write_text(command_page.markdown())
    (REPOSITORY / "docs" / "teimoso_client.py").write_text(api_page.client())
    for name, renewed in (
        ("metrics", metrics_page.markdown),
        ("collections", collections_page.markdown),
    ):
        page = REPOSITORY / "docs" / f"{name}.md"
        page.write_text(renewed(page.read_text()))
    (REPOSITORY / "docs" / "settings.md").write_text(markdown())
    (REPOSITORY / ".env.example").write_text(env_example())
