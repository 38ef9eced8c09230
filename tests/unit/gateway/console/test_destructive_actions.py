"""Each form of the console that deletes or revokes stands in a part that a person opens first, beside what is lost."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import gateway.console

TEMPLATES: Final = Path(gateway.console.__file__).parent / "templates"
ADDRESS: Final = re.compile(r'"?(/[a-z/-]*(?:delete|revoke|logout|discard|cancel|remove|secret))"')
KNOWN: Final = {
    ("api_keys.html", "/revoke"),
    ("connection.html", "/delete"),
    ("connection.html", "/logout"),
    ("message_actions.html", "/delete"),
    ("webhook.html", "/delete"),
    ("webhook.html", "/secret"),
}
HARMLESS: Final = {("base.html", "/console/logout")}
"""The end of a person's own session."""


def actions() -> dict[tuple[str, str], str]:
    """The text before each such form, by its template and address."""
    return {
        (file.name, found[1]): text[: found.start()]
        for file in TEMPLATES.glob("*.html")
        for text in [file.read_text("utf-8")]
        for found in ADDRESS.finditer(text)
    }


def test_actions_that_destroy_are_known() -> None:
    assert set(actions()) == KNOWN | HARMLESS


def test_they_are_behind_a_step_of_their_own_and_name_what_is_lost() -> None:
    for (template, address), before in actions().items():
        if (template, address) in HARMLESS:
            continue
        opened = before.rpartition("<details")[2]
        assert "</details>" not in opened, f"{address} of {template} is done by one click"
        assert "<summary>" in opened
        form = before.rpartition('<div class="choice">')[2]
        stated = "losses(" in form or address == "/secret" or template == "message_actions.html"
        assert stated, f"{address} of {template} does not say what is lost"
