"""Declares the settings of the scheduled backups of the whole instance: target, interval, number of copies."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator

from actors.config.sections import bucket_address
from actors.config.sections.section import Section


class InstanceBackupSettings(Section):
    """Backups of everything that an instance has, made by a schedule."""

    title = "Backups of the instance"
    intro = """A backup has all of an instance, encrypted with `SESSION_ENCRYPTION_KEY`; `teimoso restore` fills an empty
directory from it. See [backup](instance-backups.md)."""

    backup_target: str | None = Field(
        None,
        min_length=1,
        validation_alias="BACKUP_TARGET",
        description=(
            "where backups of the instance go, as for `STORAGE_BUCKET`: a bucket, or a directory, best of another disk."
            " Without it none is made by itself"
        ),
    )
    backup_interval: Annotated[int, Field(ge=60_000, le=31 * 86_400_000)] = Field(
        86_400_000,
        validation_alias="BACKUP_INTERVAL",
        description="how often one is made, from the beginning of the one before",
    )
    backups_kept: int = Field(
        7,
        ge=1,
        le=1000,
        validation_alias="BACKUPS_KEPT",
        description="how many of them stay; the oldest goes once a newer one is whole",
    )

    @field_validator("backup_target")
    @classmethod
    def _target(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None:
            return None
        if info.data.get("session_encryption_key") is None:
            raise ValueError(
                "takes no backup without SESSION_ENCRYPTION_KEY; `openssl rand -hex 32` makes one"
            )
        return bucket_address.read(value)
