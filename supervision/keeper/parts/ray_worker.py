"""Runs a Ray worker: as a fork of the worker template where one answers, and otherwise by its own imports.

Ray runs this file in place of its own `default_worker.py`.
"""

from __future__ import annotations

import gc
import os
import runpy
import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import PathFinder
from importlib.util import LazyLoader, find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

from supervision.keeper.parts import worker_template

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

DEFERRED: Final = "jsonschema"
"""Validates plugins of runtime environments, where one is created. Deferred, it saves 3 MB in each process."""

RAYLET_SOCKET: Final = "--raylet-name="
TEMPLATE: Final = "template"
"""The name of the template's socket, in the directory of the raylet's."""


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


def main() -> None:
    """Run Ray's worker with this process's arguments, as if Ray had started its own file.

    It imports without garbage collections, which take a fifth of its start and find nothing; the actor has them
    again once it has started (`actor_base.Shell`).
    """
    address = template_address(sys.argv)
    if address is not None and worker_template.hand_over(address):
        os._exit(0)
    gc.disable()
    ray = find_spec("ray")
    assert ray is not None
    assert ray.origin is not None
    worker = Path(ray.origin).parent / "_private" / "workers" / "default_worker.py"
    sys.meta_path.insert(0, DeferredFinder(DEFERRED))
    sys.path[0] = str(worker.parent)
    if address is not None:
        worker_template.serve(address)
    runpy.run_path(str(worker), run_name="__main__")


def template_address(arguments: Sequence[str]) -> str | None:
    """Returns the path of the template's socket for the worker of a raylet; ``None`` where no process can be forked."""
    if sys.platform != "linux" or worker_template.RAYLET not in os.environ:
        return None
    raylets = (
        each.removeprefix(RAYLET_SOCKET) for each in arguments if each.startswith(RAYLET_SOCKET)
    )
    return next((str(Path(each).with_name(TEMPLATE)) for each in raylets), None)


if __name__ == "__main__":
    main()
