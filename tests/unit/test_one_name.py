"""A name stands for one thing in the packages: classes and public constants of modules, by the lists below."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT = Path(__file__).resolve().parents[2]
MODELS = ("gateway/schemas/", "gateway/api/")
PACKAGES = ("actors", "gateway", "simulator", "supervision")

CLASSES: Final = {
    "a record, and the API's model of it": """
        Accepted Alert Alerts ApiKey Attempt ChatChange Connections Contact Crash
        CreatedGroup Delivery GroupChange GroupMember InvitedGroup JoinedGroup NamedMember
        PairingCode Qr Redriven Resources Webhook Webhooks
    """,
    "the engine's, and the simulator's: they share no code, and WhatsApp's protocol has one noun": """
        AppState Call Calls Connection Group GroupSettings Groups
        HistorySyncs MediaStore Passkey Person Picture
        Presence Recorder SentMessages Target
        Versions
    """,
}
CONSTANTS: Final = {
    "a convention: each module of its kind has one": """
        ADDRESS ROUTES COLUMNS COMMANDS OPERATIONS P REFUSES RETRY_PAUSE ROUTES SCHEMA T VERSION
    """,
    "the engine's, and the simulator's: they share no code, and WhatsApp's protocol has one noun": """
        EDIT SECRET_BYTES SERVER STATUS VOTE
    """,
    "each module's own, of one meaning": """
        MAX_RETRIES
    """,
    "a value, and its text for a person": "CAUSES LIMITS SCOPES STATUSES",
}
"""Names that stand in several modules, by the reason."""


def classes_of(body: list[ast.stmt]) -> Iterator[str]:
    """Names of the classes of a module."""
    for node in body:
        if isinstance(node, ast.ClassDef):
            yield node.name


def constants_of(body: list[ast.stmt]) -> Iterator[str]:
    """Names of the public constants of a module, those of pairs among them."""
    for node in body:
        if isinstance(node, ast.Assign | ast.AnnAssign):
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                for name in ast.walk(target):
                    if isinstance(name, ast.Name) and re.fullmatch(r"[A-Z][A-Z0-9_]*", name.id):
                        yield name.id


def modules() -> Iterator[tuple[str, list[ast.stmt]]]:
    for package in PACKAGES:
        for file in sorted((ROOT / package).rglob("*.py")):
            if not file.name.endswith("_pb2.py"):
                yield str(file.relative_to(ROOT)), ast.parse(file.read_text()).body


def repeated(found: Iterator[tuple[str, str]]) -> dict[str, list[str]]:
    """The names, of pairs of name and module, that stand in more than one module, and in which."""
    places: defaultdict[str, set[str]] = defaultdict(set)
    for name, module in found:
        places[name].add(module)
    return {name: sorted(where) for name, where in places.items() if len(where) > 1}


def kind_of(module: str) -> str:
    """The API's models, or else the package: a listed class stands once in each."""
    return "models" if module.startswith(MODELS) else module.partition("/")[0]


def listed(reasons: Mapping[str, str]) -> set[str]:
    return {name for names in reasons.values() for name in names.split()}


def test_repeated_names_are_found() -> None:
    one, other = (
        "A = 1\nB, C = 2, 3\n_D = 4\nclass X: ...\n",
        "C: int = 1\n_D = 4\nclass X: ...\n",
    )
    found = {"one": ast.parse(one).body, "other": ast.parse(other).body}
    constants = repeated((name, at) for at, body in found.items() for name in constants_of(body))
    assert constants == {"C": ["one", "other"]}
    classes = repeated((name, at) for at, body in found.items() for name in classes_of(body))
    assert classes == {"X": ["one", "other"]}


def test_a_class_has_a_name_of_its_own() -> None:
    found = repeated((name, at) for at, body in modules() for name in classes_of(body))
    assert {name: at for name, at in found.items() if name not in listed(CLASSES)} == {}
    kinds = {name: [kind_of(each) for each in at] for name, at in found.items()}
    assert {name: found[name] for name, each in kinds.items() if len(each) > len({*each})} == {}
    assert listed(CLASSES) - found.keys() == set(), "listed, and in one module alone"


def test_a_public_constant_has_a_name_of_its_own() -> None:
    found = repeated((name, at) for at, body in modules() for name in constants_of(body))
    assert {name: at for name, at in found.items() if name not in listed(CONSTANTS)} == {}
    assert listed(CONSTANTS) - found.keys() == set(), "listed, and in one module alone"
