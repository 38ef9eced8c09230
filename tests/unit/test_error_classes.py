"""Compares each clause that takes any exception with its class: passed on, a mistake (an alert), or foreseen (G13)."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCES = Path(__file__).parents[2]
PACKAGES = ("actors", "gateway", "supervision")

ALERTS = ("log_mistake", "_log_failure", "note", "note_once", "mistaken", "_mistaken")
"""Functions that make an exception the alert `own_mistake`."""

FORESEEN: Final = {
    # its caller gets it
    ("actors/runtime/sqlite_writer.py", "_read"): 1,
    ("actors/runtime/sqlite_writer.py", "_step"): 1,
    ("actors/connection/protocol/send/shared_commits.py", "_commit"): 1,
    ("actors/redis/pipeline.py", "_send"): 1,
    ("actors/state/batcher.py", "_write"): 1,
    # an actor or a server that is gone or hangs is called again
    ("supervision/cluster.py", "kill"): 1,
    ("gateway/redis_probe.py", "_hangs"): 1,
    # a damaged session is set aside, and another one put into its place
    ("actors/connection/actor.py", "_look"): 1,
    # the store cannot know why it is away
    ("actors/state/own_mistakes.py", "note_once"): 1,
    # its answer leaves before it is noted
    ("gateway/http/access_log.py", "__call__"): 1,
    # a root that cannot start has no store
    ("supervision/root.py", "_boot"): 1,
}


def broad_clauses(tree: ast.AST, inside: str = "") -> Iterator[tuple[str, ast.ExceptHandler]]:
    """Each `except Exception` with the function that it is in."""
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.ExceptHandler) and getattr(child.type, "id", "") == "Exception":
            yield inside, child
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield from broad_clauses(child, child.name)
        else:
            yield from broad_clauses(child, inside)


def passes_on(clause: ast.ExceptHandler) -> bool:
    """Whether its last statement raises."""
    return isinstance(clause.body[-1], ast.Raise)


def alerts(clause: ast.ExceptHandler) -> bool:
    calls = [each.func for each in ast.walk(clause) if isinstance(each, ast.Call)]
    names = {getattr(each, "attr", getattr(each, "id", "")) for each in calls}
    return not names.isdisjoint(ALERTS)


def test_each_exception_that_nothing_foresees_has_its_class() -> None:
    found: dict[tuple[str, str], int] = {}
    for path in (path for name in PACKAGES for path in (SOURCES / name).rglob("*.py")):
        for function, clause in broad_clauses(ast.parse(path.read_text())):
            if not passes_on(clause) and not alerts(clause):
                place = path.relative_to(SOURCES).as_posix(), function
                found[place] = found.get(place, 0) + 1
    assert found == FORESEEN
