"""The simulator's catalogue, held to what the clients' traces of a run show."""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING, Final

from simulator.trace import catalogue
from simulator.trace.trace_lines import read

if TYPE_CHECKING:
    from pathlib import Path

    from simulator.trace.features import Feature

WRITES: Final = "TEIMOSO_CATALOGUE"
"""In the environment, with the value `write`: what is new is added instead of refused."""


def recorded(directory: Path) -> set[Feature]:
    """The features of all traces in a directory."""
    return {one for file in directory.glob("*.jsonl") for one in catalogue.recorded(read(file))}


def hold(directory: Path) -> None:
    """Fails where the traces show a kind of stanza that the catalogue does not have.

    Answers that refuse, and parts and attributes of a kind that it has, are added by `write` alone:
    they come in few runs, as of prekeys that ran out a moment before.
    """
    found = recorded(directory)
    if os.environ.get(WRITES) == "write":
        with catalogue.CATALOGUE_FILE.open("r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            catalogue.save(catalogue.load() | found)
    known = {(one.direction, one.kind) for one in catalogue.load()}
    new = sorted(
        one
        for one in found
        if (one.direction, one.kind) not in known and not one.kind.startswith("iq error")
    )
    told = "\n".join(" ".join(filter(None, one)) for one in new[:50])
    assert not new, f"not in {catalogue.CATALOGUE_FILE.name}; run with {WRITES}=write:\n{told}"
