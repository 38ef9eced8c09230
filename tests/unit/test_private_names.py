"""Names of other packages that are not public: each has a row and a bound in `docs/contributing.md`."""

from __future__ import annotations

import ast
import re
import tomllib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

ROOT = Path(__file__).resolve().parents[2]
OWN = {"actors", "gateway", "simulator", "supervision", "tests"}
UNDOCUMENTED = ("uvicorn.protocols.",)
"""Packages without an underscore that their project does not document either."""
PYTHON = {"atexit", "os", "sys", "threading"}
NAMED = re.compile(r"[a-z]\w*(\.\w+)+")
"""A module in a string, which is imported by that name."""
LIKELY = re.compile(
    r"\w\._|(?<!\bself)(?<!\bcls)\._[a-z]|import .*\b_[a-z]|from _[a-z]|SLF001|uvicorn\.protocols"
)
"""Files without it are not parsed."""


def uses(source: str) -> set[str]:
    """Foreign packages of which a module uses names that are not public; "" if the package is not known.

    A module that a string names counts, where its package is a requirement. Objects that a module was handed
    count where ruff finds them, which the comment `noqa: SLF001` shows.
    """
    if LIKELY.search(source) is None:
        return set()
    found: set[str] = set()
    known: dict[str, str] = {}
    nodes = list(ast.walk(ast.parse(source)))
    for node in nodes:
        for name, target in _bound(node, known):
            known[name] = target.partition(".")[0]
            if _private(target) or target.startswith(UNDOCUMENTED):
                found.add(known[name])
    lines = source.splitlines()
    for node in nodes:
        if isinstance(node, ast.Attribute) and _private(node.attr):
            root: ast.expr = node
            while isinstance(root, ast.Attribute):
                root = root.value
            name = root.id if isinstance(root, ast.Name) else ""
            if name in known or "SLF001" in lines[node.lineno - 1]:
                found.add(known.get(name, ""))
    return (found | set(_named(nodes))) - OWN - PYTHON


def _named(nodes: Sequence[ast.AST]) -> Iterator[str]:
    """Requirements of which a module is named by a string."""
    for node in nodes:
        if isinstance(node, ast.Constant) and NAMED.fullmatch(text := str(node.value)):
            package = text.partition(".")[0]
            if package in requirements() and (_private(text) or text.startswith(UNDOCUMENTED)):
                yield package


def _bound(node: ast.AST, known: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Names that a module binds to a package, its own classes and parameters of own types among them."""
    if isinstance(node, ast.Import):
        for each in node.names:
            yield each.asname or each.name.partition(".")[0], each.name
    elif isinstance(node, ast.ImportFrom):
        for each in node.names:
            yield each.asname or each.name, f"{node.module}.{each.name}"
    elif isinstance(node, ast.ClassDef):
        yield node.name, "actors"
    elif isinstance(node, ast.arg):
        kind = node.annotation
        if isinstance(kind, ast.Name) and known.get(kind.id) in OWN:
            yield node.arg, "actors"


def _private(name: str) -> bool:
    return any(part.startswith("_") and not part.startswith("__") for part in name.split("."))


def rows() -> list[list[str]]:
    page = (ROOT / "docs/contributing.md").read_text()
    table = page.partition("\n## Other packages\n")[2].partition("\n| library |")[0]
    lines = [line for line in table.splitlines() if line.startswith("| `")]
    return [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in lines]


@cache
def requirements() -> dict[str, str]:
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"].values()
    lists = (project["project"]["dependencies"], *extras, *project["dependency-groups"].values())
    parts = [re.fullmatch(r"([\w-]+)(?:\[.*])?(.*)", one) for each in lists for one in each]
    return {part[1]: part[2] for part in parts if part is not None}


def test_each_use_has_its_row() -> None:
    found = {
        (str(path.relative_to(ROOT)), package)
        for name in sorted(OWN)
        for path in sorted((ROOT / name).rglob("*.py"))
        if not path.name.endswith("_pb2.py")
        for package in uses(path.read_text())
    }
    listed = {(where, package) for package, where, *_ in rows()}
    packages = dict(listed)
    assert {(where, package or packages.get(where, "")) for where, package in found} == listed


def test_each_bound_is_that_of_the_distribution() -> None:
    required = requirements()
    assert {(row[0], row[4]) for row in rows()} == {(row[0], required[row[0]]) for row in rows()}
    assert all("<" in row[4] or "==" in row[4] for row in rows())


def test_uses_are_found() -> None:
    assert uses("from redis import _x") == {"redis"}
    assert uses("import redis.asyncio\nredis.asyncio.client._x()") == {"redis"}
    assert uses("from uvicorn.protocols.http import a") == {"uvicorn"}
    assert uses("from _pytest.tmpdir import a") == {"_pytest"}
    assert uses("import_module('ray._private.worker')") == {"ray"}
    assert not uses("text = 'nothing._of_it'")
    assert uses("given._x  # noqa: SLF001") == {""}
    assert not uses("import os\nfrom actors import b\nfrom redis import c\nos._exit(b._x(c.y))")
