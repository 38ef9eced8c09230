"""Declares the settings of WhatsApp session files and of their encrypted backups in a bucket."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from actors.config.sections import bucket_address
from actors.config.sections.section import Section

if TYPE_CHECKING:
    from pathlib import Path


class SessionSettings(Section):
    """The storage of sessions: the data directory, with encrypted copies where a bucket is named."""

    title = "Sessions"
    intro = """A session is what makes the service a linked device: lose it, and a person has to scan a QR. It lies in
the data directory; with a bucket an encrypted copy lies there as well. See
[backups](backups.md)."""

    storage_bucket: str | None = Field(
        None,
        min_length=1,
        validation_alias="STORAGE_BUCKET",
        description="a bucket of Google Cloud Storage (`NAME` or `gs://NAME`), or a directory (`file:///PATH`, `/PATH`)",
    )
    session_encryption_key: SecretStr | None = Field(
        None,
        validate_default=True,
        validation_alias="SESSION_ENCRYPTION_KEY",
        description=(
            "32 bytes as 64 hex digits or in base64; several, with commas between: the first encrypts, all "
            "decrypt. A bucket without a key is refused. Keep it elsewhere as well: without it a copy is worth "
            "nothing"
        ),
    )
    session_storage_type: Literal["local", "hybrid", "cloud"] = Field(
        default_factory=lambda fields: "hybrid" if fields.get("storage_bucket") else "local",
        validate_default=True,
        validation_alias="SESSION_STORAGE_TYPE",
        description=(
            "`local`: the data directory alone. `hybrid`: copies in the bucket as well; the default as soon as "
            "one is named. `cloud`: as `hybrid`, and a message is acknowledged to WhatsApp only when the state "
            "store has it, so that the loss of the disk loses none; receiving takes longer. A history sync is "
            "acknowledged once all of it is stored there. Receipts are acknowledged from the disk"
        ),
    )
    session_backup_interval: Annotated[int, Field(ge=1_000, le=86_400_000)] = Field(
        60_000,
        validation_alias="SESSION_BACKUP_INTERVAL",
        description=(
            "how often a session that changed is copied; besides at once after pairing and when its connection is"
            " stopped"
        ),
    )

    @field_validator("storage_bucket")
    @classmethod
    def _bucket(cls, value: str | None) -> str | None:
        return None if value is None else bucket_address.read(value)

    @field_validator("session_encryption_key")
    @classmethod
    def _keys(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if value is not None:
            from actors.connection.backup.keyring import Keyring  # noqa: PLC0415 - seldom needed

            Keyring.of(value.get_secret_value())
        elif info.data.get("storage_bucket") is not None:
            raise ValueError(
                "STORAGE_BUCKET takes no session without a key; `openssl rand -hex 32` makes one"
            )
        return value

    @field_validator("session_storage_type", mode="before")
    @classmethod
    def _bucket_named(cls, value: object, info: ValidationInfo) -> object:
        named = info.data.get("storage_bucket") is not None
        if value in {"hybrid", "cloud"} and not named and "storage_bucket" in info.data:
            raise ValueError(f"{value} needs a bucket, named by STORAGE_BUCKET")
        return value

    @property
    def bucket_directory(self) -> Path | None:
        """The directory that is the bucket; None where it is Google's, or there is none."""
        bucket = self.storage_bucket
        return None if bucket is None else bucket_address.directory_of(bucket)
