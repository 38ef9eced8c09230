"""What is made of the settings is as they are: `make docs` writes it anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from actors.settings import Settings
from gateway.cli import reference
from gateway.cli.reference import ROOT

if TYPE_CHECKING:
    from pathlib import Path


def test_every_setting_is_told_and_no_other() -> None:
    assert reference.told() == {
        str(field.validation_alias) for field in Settings.model_fields.values()
    }


@pytest.mark.parametrize(
    ("name", "made"),
    [("docs/settings.md", reference.markdown), (".env.example", reference.env_example)],
)
def test_what_is_made_of_them_is_current(name: str, made: object) -> None:
    assert callable(made)
    assert (ROOT / name).read_text() == made(), "`make docs`"


def test_the_example_is_a_settings_file_that_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in reference.told():
        monkeypatch.delenv(name, raising=False)
    lines = reference.env_example().splitlines()
    given = [line[1:] for line in lines if line.startswith("#") and line[1:2].isupper()]
    set_here = [line for line in given if not line.endswith("=")]
    assert len(given) == len(reference.told())
    file = tmp_path / ".env"
    file.write_text("\n".join(set_here))
    assert Settings.resolve(file) == Settings.resolve()
