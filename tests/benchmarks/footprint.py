"""`python footprint.py`: the memory that a connection's process takes by imports, package by package.

Prints one JSON object: megabytes that the modules of each package added to this process, largest first, and
how much of that is anonymous memory, which no other process shares. The imports of a module count as theirs.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import json
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

SMALL = 0.5
"""Megabytes below which packages are counted together."""


class Memory(NamedTuple):
    """Megabytes of a process: all pages, shared ones divided among their processes, and its own alone."""

    rss: float
    pss: float
    anonymous: float


def memory(pid: int | str = "self") -> Memory:
    """The memory of the process now."""
    rows = (line.split() for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:])
    kept = {row[0].rstrip(":").lower(): int(row[1]) / 1024 for row in rows}
    return Memory(*(kept[field] for field in Memory._fields))


class Imports:
    """Measures each module as it is loaded: what it adds itself, without the modules that it imports."""

    def __init__(self) -> None:
        self.found: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
        self._inner = [[0.0, 0.0]]

    def watch(self) -> None:
        """Measure every import from now on."""
        for loader in (
            importlib.machinery.SourceFileLoader,
            importlib.machinery.ExtensionFileLoader,
        ):
            for step in ("create_module", "exec_module"):
                setattr(loader, step, self._measured(getattr(loader, step)))

    def take(self) -> tuple[float, float]:
        """The sum of what was loaded until now, which is forgotten."""
        rss, own = (sum(sizes) for sizes in zip(*self.found.values(), strict=True))
        self.found.clear()
        return rss, own

    def _measured(self, load: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        def measured(loader: Any, what: Any) -> Any:
            before = memory()
            self._inner.append([0.0, 0.0])
            try:
                return load(loader, what)
            finally:
                now = memory()
                added = (now.rss - before.rss, now.anonymous - before.anonymous)
                inner, outer = self._inner.pop(), self._inner[-1]
                of = self.found[_package(loader.name)]
                for kind, size in enumerate(added):
                    of[kind] += size - inner[kind]
                    outer[kind] += size

        return measured


def _package(module: str) -> str:
    first, *rest = module.split(".")
    if first == "actors":
        return ".".join((first, *rest[:2]))
    return "google.protobuf" if module.startswith("google.protobuf") else first


def footprint() -> dict[str, tuple[float, float]]:
    """Megabytes (all, and anonymous) by package of a process that stands by."""
    imports = Imports()
    begun = memory()
    found = {"interpreter": (begun.rss, begun.anonymous)}
    imports.watch()
    importlib.import_module("supervision.keeper.parts.worker_imports").prepare()
    importlib.import_module("ray")  # its worker, which is there first
    found["ray, with all that it imports"] = imports.take()
    for module in (
        "actors.connection.actor",
        "actors.connection.session.session",
        "actors.connection.whatsmeow.engine",
    ):
        importlib.import_module(module)
    now = memory()
    largest = sorted(imports.found.items(), key=lambda each: -each[1][0])
    found |= {name: (rss, own) for name, (rss, own) in largest if rss >= SMALL}
    left = (
        now.rss - sum(a for a, _ in found.values()),
        now.anonymous - sum(b for _, b in found.values()),
    )
    return found | {"smaller ones": left}


if __name__ == "__main__":
    print(json.dumps(footprint()))
