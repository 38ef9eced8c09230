"""Reads `runtime.json` for Ray calls that start actors, and writes it on hosts that do not share the data directory.

The keeper writes the settings to its data directory, and hosts that share the directory read them there. A host
that does not share it gets them with every call that starts an actor there, and keeps them for the next process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from actors.config.settings import RUNTIME_FILE, Settings
from actors.runtime.atomic_files import write_atomically
from actors.runtime.private_directory import make_private

if TYPE_CHECKING:
    from pathlib import Path

KEEPER_MANIFEST: Final = "instance.json"
"""The keeper's manifest: where it lies, the keeper alone writes the settings."""


class NotShared(Exception):
    """The host has a directory of its own, and what is acknowledged is kept in the instance's.

    Only with ``cloud`` the loss of a directory loses nothing. Elsewhere one that is not there may be
    one that is not mounted yet: files that were written below it would be out of reach later.
    """

    code = "directory_not_shared"


def is_own(data: Path) -> bool:
    """Whether `data` is this host's alone, and not the directory of the keeper."""
    return not (data / KEEPER_MANIFEST).exists()


def offer(data: Path) -> str:
    """The settings in `data`, to be handed over. It holds secrets. Raises OSError."""
    return (data / RUNTIME_FILE).read_text()


def take(data: Path, text: str) -> None:
    """Let `text` be the settings in `data`, where that is this host's own directory.

    Raises `NotShared`, or OSError, and leaves the earlier settings as they were then.
    """
    if not is_own(data):
        return
    settings = Settings.model_validate_json(text)
    if settings.session_storage_type != "cloud":
        raise NotShared
    make_private(data)
    file = data / RUNTIME_FILE
    if not file.exists() or file.read_text() != text:
        write_atomically(file, text)
