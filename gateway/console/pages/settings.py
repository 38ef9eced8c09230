"""Serves the console's page that shows all settings to an admin: value, default, text, and which change while running."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from actors.config.settings import LIVE, SECTIONS
from gateway import setting_texts
from gateway.console.page_app import PageMethod
from gateway.http.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.responses import Response

    from actors.config.settings import Settings
    from gateway.console.console_request import ConsoleRequest

ADDRESS: Final = "/console/settings"
SETTINGS_REFRESH_SECONDS: Final = 15
"""Seconds between two looks at the page while it lies open."""


@dataclass(frozen=True, slots=True)
class SettingRow:
    """A setting; `value` and `default` as a person writes them, None for none."""

    name: str
    value: str | None
    default: str | None
    text: str
    live: bool

    @property
    def changed(self) -> bool:
        """Whether its value is another one than the default."""
        return self.value != self.default


async def show(view: ConsoleRequest) -> Response:
    """All settings, or those that were changed; for an admin of all connections alone."""
    view.require("admin")
    if not view.key.is_admin_of_all:
        raise Problem(
            "connection_forbidden", "Settings are those of all connections; this key is for some."
        )
    settings = await asyncio.to_thread(view.backends.settings.current)
    changed = view.query.get("changed") == "true"
    sections = [
        (section.title, setting_texts.plain(section.intro), _rows(settings, section.own_fields()))
        for section in SECTIONS
    ]
    return await view.page(
        "settings.html",
        sections=[
            (title, intro, [row for row in rows if row.changed or not changed])
            for title, intro, rows in sections
        ],
        count=sum(row.changed for _, _, rows in sections for row in rows),
        changed=changed,
        every=SETTINGS_REFRESH_SECONDS,
    )


def _rows(settings: Settings, fields: Mapping[str, str]) -> list[SettingRow]:
    return [
        SettingRow(
            name,
            setting_texts.written(getattr(settings, field)),
            setting_texts.default(name, settings),
            setting_texts.plain(setting_texts.text(name)),
            field in LIVE,
        )
        for name, field in fields.items()
    ]


ROUTES: Mapping[str, Mapping[str, PageMethod]] = {ADDRESS: {"GET": PageMethod(show)}}
