"""Opens the configured bucket for an actor: a directory by itself, Google's by Ray calls to the bucket actor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from actors.connection.backup.bucket.remote import RemoteBucket
from actors.connection.backup.open_vault import open_bucket

if TYPE_CHECKING:
    from actors.config.settings import Settings
    from actors.connection.backup.bucket.port import Bucket


@dataclass(frozen=True, slots=True)
class BucketAccess:
    """The bucket that the settings name: a directory directly, Google's by calls to the bucket actor."""

    bucket: Bucket | None

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """`bucket` is None where sessions are kept in the data directory alone."""
        if settings.session_storage_type == "local":
            return cls(None)
        remote = settings.bucket_directory is None
        return cls(RemoteBucket() if remote else open_bucket(settings))

    def through(self, handle: Any) -> None:
        """Go by this actor from now on, where there is one between."""
        if isinstance(self.bucket, RemoteBucket):
            self.bucket.handle = handle
