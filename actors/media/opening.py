"""The store of files that the settings name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.media.directory import DirectoryStore

if TYPE_CHECKING:
    from actors.media.store import MediaStore
    from actors.settings import Settings


def open_store(settings: Settings) -> MediaStore:
    """The files of this instance on this host."""
    return DirectoryStore(settings.media)
