"""Loads and saves the known stanza features of simulator (`in`) and clients (`out`), in `catalogue.json`, for comparisons.

Recorded from the traces of the clients in `tests/conformance`, which compare it with their traces.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from simulator.trace.features import Conversation, Feature, features

if TYPE_CHECKING:
    from collections.abc import Iterable

CATALOGUE_FILE: Final = Path(__file__).with_name("catalogue.json")
"""Direction, kind, part, attribute and values, one within the other."""


def load(file: Path = CATALOGUE_FILE) -> set[Feature]:
    """Returns all features of the catalogue, one for each kind, part, attribute and value."""
    return {
        Feature(direction, kind, part, name, value)
        for direction, kinds in json.loads(file.read_text()).items()
        for kind, parts in kinds.items()
        for part, names in parts.items()
        for name, values in {"": [], **names}.items()
        for value in ("", *values)
    }


def save(features: Iterable[Feature], file: Path = CATALOGUE_FILE) -> None:
    """Writes the features, so that a change of one changes one line."""
    written: dict[str, Any] = {}
    for one in sorted(features):
        names = written.setdefault(one.direction, {}).setdefault(one.kind, {})
        values = names.setdefault(one.part, {})
        if one.name:
            values.setdefault(one.name, [])
        if one.value:
            values[one.name].append(one.value)
    file.write_text(json.dumps(written, indent=1) + "\n")


def recorded(lines: Iterable[dict[str, Any]]) -> set[Feature]:
    """Returns the features of a trace, without those of unknown kinds."""
    found: set[Feature] = set()
    conversation = Conversation()
    for line in lines:
        if line.get("part") == 1:
            conversation = Conversation()
        if "dir" in line and (kind := conversation.kind(line)) is not None:
            found.update(one for one in features(line, kind) if not one.is_unknown)
    return found
