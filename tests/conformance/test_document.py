"""docs/conformance.md says what the scenarios show: a row each, a cell for each kind of client."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from tests.conformance.processes import KINDS, ROOT

SCENARIOS = (
    "logins",
    "standing",
    "pairing",
    "messages",
    "keys",
    "devices",
    "addresses",
    "kinds",
    "groups",
    "management",
    "history",
    "settings",
    "answers",
    "limits",
    "calls",
    "placeholders",
    "offline",
)
HERE = Path(__file__).parent
DOCUMENT = ROOT / "docs" / "conformance.md"


def differing(function: ast.FunctionDef) -> dict[str, str]:
    """Returns the entries of `@pytest.mark.differs(client="entry")` above a scenario."""
    return {
        str(keyword.arg): ast.literal_eval(keyword.value)
        for mark in function.decorator_list
        if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.differs"
        for keyword in mark.keywords
    }


def scenarios() -> dict[str, list[str]]:
    """Each scenario's cells, as the tests have them."""
    rows = {}
    for name in SCENARIOS:
        (path,) = HERE.glob(f"*/test_{name}.py")
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                arguments = {argument.arg for argument in node.args.args}
                assert arguments & {"client", "kind", "own", "versatile"}, (
                    f"{node.name} is no scenario of a client's"
                )
                differs = differing(node)
                assert set(differs) <= set(KINDS), f"{node.name} names an unknown client"
                rows[f"{name}: {node.name.removeprefix('test_').replace('_', ' ')}"] = [
                    differs.get(kind, "yes") for kind in KINDS
                ]
    return rows


def test_the_table_is_what_the_tests_show() -> None:
    document = DOCUMENT.read_text()
    written = {
        scenario: cells
        for scenario, *cells in (
            [cell.strip() for cell in line.strip("|").split("|")]
            for line in document.splitlines()
            if line.startswith("|") and ": " in line.split("|")[1]
        )
    }
    assert written == scenarios()


def test_each_difference_is_explained_and_shown() -> None:
    explained = re.findall(r"^### (D\d+): ", DOCUMENT.read_text(), flags=re.MULTILINE)
    shown = {cell for cells in scenarios().values() for cell in cells} - {"yes"}
    assert explained == sorted(shown, key=lambda name: int(name[1:]))
