"""Pages made of the settings, of the commands and of the API are up to date: `make docs` writes them anew."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from actors.config.settings import SECTIONS
from actors.config.sources import resolve_settings
from gateway.app import OPERATIONS
from gateway.cli.reference import api_page, command_page, settings_page
from gateway.cli.reference.settings_page import REPOSITORY
from gateway.http.openapi import refusals
from gateway.http.problems import PROBLEM_KINDS
from gateway.setting_texts import SETTING_FIELDS

if TYPE_CHECKING:
    from pathlib import Path


def test_every_setting_is_in_one_section_and_described() -> None:
    names = [name for section in SECTIONS for name in section.own_fields()]
    assert sorted(names) == sorted(SETTING_FIELDS)
    assert not [name for name, field in SETTING_FIELDS.items() if not field.description]


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("docs/settings.md", settings_page.markdown),
        (".env.example", settings_page.env_example),
        ("docs/api.md", api_page.markdown),
        ("docs/cli.md", command_page.markdown),
        ("docs/teimoso_client.py", api_page.client),
    ],
)
def test_what_is_made_of_them_is_current(name: str, made: object) -> None:
    assert callable(made)
    assert (REPOSITORY / name).read_text() == made(), "`make docs`"


def test_the_example_is_a_settings_file_that_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in SETTING_FIELDS:
        monkeypatch.delenv(name, raising=False)
    lines = settings_page.env_example().splitlines()
    given = [line[1:] for line in lines if line.startswith("#") and line[1:2].isupper()]
    set_here = [line for line in given if not line.endswith("=")]
    assert len(given) == len(SETTING_FIELDS)
    file = tmp_path / ".env"
    file.write_text("\n".join(set_here))
    assert resolve_settings(file) == resolve_settings()


def test_every_operation_is_documented_with_its_scope_and_every_problem() -> None:
    page = api_page.markdown()
    starred = {code for code in PROBLEM_KINDS if re.search(rf"\| `{code}` \| .* \* \|\n", page)}
    for operation in OPERATIONS:
        _, told, rest = page.partition(f"### `{operation.method} {operation.path}`\n")
        assert told, operation.path
        section = rest.partition("\n### ")[0].partition("\n## ")[0]
        assert (f"the scope `{operation.scope}`" in section) is (operation.scope is not None)
        refused = section.partition("\nRefused as ")[2]
        codes = {kind.code for kinds in refusals(operation).values() for kind in kinds}
        assert set(re.findall(r"`(\w+)`", refused)) == codes - starred
        asked = operation.query.model_json_schema() if operation.query else {"properties": {}}
        assert all(f"| `{name}` | query | " in section for name in asked["properties"])
        assert ("\n| field | type | required |" in section) is (operation.body is not None)
    assert starred >= {"unauthorized", "malformed_request"}
    assert all(f"| `{code}` |" in page for code in PROBLEM_KINDS)


def test_every_command_is_on_its_page_and_each_of_its_options_is_explained() -> None:
    page = command_page.markdown()
    assert not [line for line in page.splitlines() if line.startswith("|") and "|  |" in line]
    for path in ("up", "messages list", "simulate request", "backup create"):
        assert f"```sh\nteimoso {path} [OPTIONS]" in page
