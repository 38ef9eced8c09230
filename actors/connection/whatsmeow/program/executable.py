"""Finds the executable `teimoso-whatsmeow` of a connection: the installed one, or one that `teimoso engine try` built."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from actors.runtime.atomic_files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterable

EXECUTABLE_NAME: Final = "teimoso-whatsmeow"
INSTALLED: Final = Path(sys.prefix) / "bin" / EXECUTABLE_NAME
"""The place in this environment where `make setup` and the wheel of the program put it."""

DATABASE: Final = "whatsmeow.db"
"""The keys of the device, beside the session file; the program alone writes it."""

CHOICE_FILE: Final = "engine.json"
BUILT: Final = "engine"
"""The folder of the data directory that has the built programs, by their version of whatsmeow."""


def installed() -> Path | None:
    """The installed program; None where the environment lacks it."""
    return INSTALLED if os.access(INSTALLED, os.X_OK) else None


def built(data: Path, version: str) -> Path:
    """The place of a program that was built with this version of whatsmeow."""
    return data / BUILT / version / EXECUTABLE_NAME


@dataclass(frozen=True, slots=True)
class ProgramChoice:
    """The versions of whatsmeow that connections run in place of the installed one's; stored in one small file.

    `version` is for all of them, `candidate` for the connection `canary` alone; None is the installed program.
    A choice holds beside the installed program that it was made beside (`stamp`): Teimoso of another release brings
    another program, and speaks with it alone.
    """

    version: str | None = None
    canary: str | None = None
    candidate: str | None = None
    stamp: str = ""

    @classmethod
    def read(cls, data: Path) -> Self:
        """Return the choice that was stored last; an empty one where there is none that holds."""
        try:
            choice = cls(**json.loads((data / CHOICE_FILE).read_text()))
        except (OSError, ValueError, TypeError):
            return cls()
        return choice if choice.stamp == _stamp() else cls()

    def write(self, data: Path) -> None:
        """Store it, on disk when this returns: a death at any time leaves the former one or this one."""
        fields = asdict(self) | {"stamp": _stamp()}
        write_atomically(data / CHOICE_FILE, json.dumps(fields, indent=1))

    def of(self, connection: str) -> str | None:
        """The version for a connection; None: the installed program's."""
        return self.candidate if connection == self.canary else self.version

    @property
    def versions(self) -> Iterable[str]:
        """All versions that it names."""
        return [each for each in (self.version, self.candidate) if each is not None]


def find(data: Path, connection: str) -> Path | None:
    """The program's file for a connection; None where there is none to run."""
    version = ProgramChoice.read(data).of(connection)
    if version is not None and os.access(file := built(data, version), os.X_OK):
        return file
    return installed()


def _stamp() -> str:
    """Identify the file of the installed program."""
    try:
        seen = INSTALLED.stat()
    except OSError:
        return ""
    return f"{seen.st_size}-{seen.st_mtime_ns}"
