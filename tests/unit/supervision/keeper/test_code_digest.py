"""The digest of the installed code covers each of its files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from supervision.keeper import code_digest
from supervision.keeper.parts import python_module

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_each_file_of_the_code_tells_it_from_other_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "actors"
    (package / "__pycache__").mkdir(parents=True)
    (package / "script.lua").write_text("return 1")
    monkeypatch.setattr(python_module, "PACKAGES_DIRECTORY", tmp_path)
    before = code_digest.code_digest()
    (package / "__pycache__" / "x.pyc").touch()
    assert code_digest.code_digest() == before
    (package / "script.lua").write_text("return 2")
    assert code_digest.code_digest() != before
