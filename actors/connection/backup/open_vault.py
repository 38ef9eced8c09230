"""Opens the bucket that the settings name (directory or Google's), and the vault of session backups in the bucket."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.config.sections.bucket_address import directory_of
from actors.connection.backup.bucket.directory import DirectoryBucket
from actors.connection.backup.keyring import Keyring
from actors.connection.backup.vault import Vault

if TYPE_CHECKING:
    from actors.config.settings import Settings
    from actors.connection.backup.bucket.port import Bucket


def open_bucket(settings: Settings) -> Bucket:
    """The bucket of sessions, as `open_target` opens it."""
    assert settings.storage_bucket is not None
    return open_target(settings.storage_bucket)


def open_target(address: str) -> Bucket:
    """A bucket by its address in the settings, reached from this process; loads Google's client where it is Google's."""
    if (directory := directory_of(address)) is not None:
        return DirectoryBucket(directory)
    from actors.connection.backup.bucket.gcs import GcsBucket  # noqa: PLC0415 - heavy

    return GcsBucket(address.removeprefix("gs://"))


def open_vault(settings: Settings, bucket: Bucket) -> Vault:
    """The vault in `bucket`, with the keys that the settings name."""
    assert settings.session_encryption_key is not None
    return Vault(bucket, Keyring.of(settings.session_encryption_key.get_secret_value()))
