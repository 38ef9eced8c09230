"""Builds `python -m` command lines, and the PYTHONPATH, for processes that run modules of this project."""

from __future__ import annotations

import os
import site
import sys
from pathlib import Path

from supervision.keeper.process import CommandLine

PACKAGES_DIRECTORY = Path(__file__).resolve().parents[3]
"""The directory that holds the packages."""


def module(name: str, *arguments: str, environment: dict[str, str] | None = None) -> CommandLine:
    """Returns the command `python -m NAME …` for this interpreter, without the working directory on its path."""
    return CommandLine(
        (sys.executable, "-P", "-m", name, *arguments), {**paths(), **(environment or {})}
    )


def paths() -> dict[str, str]:
    """Returns the entries of PYTHONPATH that make the packages importable, in Ray's workers too.

    Empty where they are installed: site-packages in it would precede the standard library.
    """
    if str(PACKAGES_DIRECTORY) in site.getsitepackages():
        return {}
    inherited = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    ordered = [
        str(PACKAGES_DIRECTORY),
        *(path for path in inherited if path != str(PACKAGES_DIRECTORY)),
    ]
    return {"PYTHONPATH": os.pathsep.join(ordered)}
