from __future__ import annotations

import importlib
import sys

import pytest

from actors.runtime.hidden_imports import without

EXTRA = "wsgiref"
"""Of the standard library, and loaded by nothing else."""


@pytest.fixture(autouse=True)
def not_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == EXTRA]:
        monkeypatch.delitem(sys.modules, name)


@pytest.mark.parametrize("module", [EXTRA, f"{EXTRA}.util"])
def test_an_extra_is_missing_inside_and_there_again_afterwards(module: str) -> None:
    with without(EXTRA), pytest.raises(ImportError):
        importlib.import_module(module)
    assert importlib.import_module(module).__name__ == module


def test_what_is_loaded_already_stays_loaded() -> None:
    loaded = importlib.import_module(EXTRA)
    with without(EXTRA):
        assert importlib.import_module(EXTRA) is loaded
    assert sys.modules[EXTRA] is loaded


def test_an_import_that_fails_leaves_nothing_hidden() -> None:
    with pytest.raises(ZeroDivisionError), without(EXTRA):
        raise ZeroDivisionError
    assert EXTRA not in sys.modules
