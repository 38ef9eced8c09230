"""Runs Ray's worker in a process of `worker_template`, whose imports it makes cheaper (jsonschema lazily, no collections)."""

from __future__ import annotations

import gc
import runpy
import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import PathFinder
from importlib.util import LazyLoader, find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

DEFERRED_MODULE: Final = "jsonschema"
"""Validates plugins of runtime environments, where one is created."""


class DeferredFinder(MetaPathFinder):
    """Finds one module as usual, and has it loaded by the first use of it: its import alone loads nothing."""

    def __init__(self, name: str) -> None:
        self._name = name

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path, target) if name == self._name else None
        if spec is not None and spec.loader is not None:
            spec.loader = LazyLoader(spec.loader)
        return spec


def prepare() -> None:
    """Prepares this process for the imports of a worker.

    It imports without garbage collections, which take a fifth of its start and find nothing; the actor has them
    again once it has started (`actor_base.Shell`).
    """
    gc.disable()
    sys.meta_path.insert(0, DeferredFinder(DEFERRED_MODULE))
    sys.path[0] = str(_worker().parent)


def run() -> None:
    """Runs Ray's worker in this process, by the arguments in `sys.argv`."""
    runpy.run_path(str(_worker()), run_name="__main__")


def _worker() -> Path:
    ray = find_spec("ray")
    assert ray is not None
    assert ray.origin is not None
    return Path(ray.origin).parent / "_private" / "workers" / "default_worker.py"
