"""The page on operations lists each check of `teimoso doctor`, and no other."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from gateway.cli.reference.settings_page import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Iterator

MODULES = [
    *(REPOSITORY / "gateway/cli/doctor").rglob("*.py"),
    REPOSITORY / "gateway/cli/service/systemd.py",
]
FINDINGS = {"ok", "warn", "fail", "judge", "skew"}


def named(tree: ast.Module) -> Iterator[str]:
    """Yields the names of checks that a module reports: texts, or variables that are assigned texts alone."""
    texts: dict[str, set[str]] = {}
    for node in ast.walk(tree):
        match node:
            case (
                ast.Assign(targets=[ast.Name(id=variable)], value=ast.Constant(value=str(text)))
                | ast.AnnAssign(target=ast.Name(id=variable), value=ast.Constant(value=str(text)))
                | ast.Assign(
                    targets=[ast.Tuple(elts=[ast.Name(id=variable), *_])],
                    value=ast.Tuple(elts=[ast.Constant(value=str(text)), *_]),
                )
            ):
                texts.setdefault(variable, set()).add(text)
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id=called), args=[first, *_]) if called in FINDINGS:
                match first:
                    case ast.Constant(value=str(name)):
                        yield name
                    case ast.Name(id=variable):
                        yield from texts.get(variable, ())


def test_each_check_has_its_row() -> None:
    page = (REPOSITORY / "docs/operations.md").read_text()
    table = page.partition("| check | the mistake |")[2].partition("\n\n")[0]
    rows = re.findall(r"`([^`]+)`", " ".join(re.findall(r"^\| (.*?) \|", table, re.MULTILINE)))
    checks = {name for each in MODULES for name in named(ast.parse(each.read_text()))}
    assert sorted(rows) == sorted(checks)
