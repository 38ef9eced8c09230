"""The store of files that the settings name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.media.files import Files

if TYPE_CHECKING:
    from actors.settings import Settings


def open_store(settings: Settings) -> Files:
    """The files of this instance on this host."""
    return Files.of(settings)
