"""Opens the bucket that the settings name (directory or Google's), and the vault of session backups in the bucket."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.connection.backup.bucket.directory import DirectoryBucket
from actors.connection.backup.keyring import Keyring
from actors.connection.backup.vault import Vault

if TYPE_CHECKING:
    from actors.config.settings import Settings
    from actors.connection.backup.bucket.port import Bucket


def open_bucket(settings: Settings) -> Bucket:
    """The bucket, reached from this process; loads Google's client where it is Google's."""
    if settings.bucket_directory is not None:
        return DirectoryBucket(settings.bucket_directory)
    from actors.connection.backup.bucket.gcs import GcsBucket  # noqa: PLC0415 - heavy

    assert settings.storage_bucket is not None
    return GcsBucket(settings.storage_bucket.removeprefix("gs://"))


def open_vault(settings: Settings, bucket: Bucket) -> Vault:
    """The vault in `bucket`, with the keys that the settings name."""
    assert settings.session_encryption_key is not None
    return Vault(bucket, Keyring.of(settings.session_encryption_key.get_secret_value()))
