"""Opens the store of media files that the settings name, for a gateway or a connection."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.media.local_files import LocalFiles

if TYPE_CHECKING:
    from actors.config.settings import Settings
    from actors.connection.backup.bucket.port import Bucket


def open_store(settings: Settings, bucket: Bucket | None = None) -> LocalFiles:
    """The files of this instance on this host; with a `bucket`, those that it has copies of too."""
    return LocalFiles(settings, bucket)
