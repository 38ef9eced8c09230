"""Loader of the modules that the engines take from pyaileys: token tables, generated protobuf classes.

They are loaded from their files: the package itself would bring its client along, 2 MB in each connection.
"""

from __future__ import annotations

from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType


def generated(path: str) -> ModuleType:
    """A new module of the file at this path inside the package; one module of the project loads each."""
    package = find_spec("pyaileys")
    assert package is not None
    assert package.origin is not None
    file = Path(package.origin).parent / path
    spec = spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
