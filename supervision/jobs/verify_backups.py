"""Implements `teimoso jobs run verify-backups`: restores each session copy of the bucket to scratch and reads it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from actors.connection.backup.backup_format import Tampered
from actors.connection.backup.keyring import WrongKey
from actors.connection.backup.open_vault import open_bucket, open_vault
from actors.connection.session.session import Session, SessionTooNew
from supervision.jobs.job import JobFailed, only

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from actors.config.settings import Settings
    from actors.connection.backup.vault import SessionCopy, Vault
    from supervision.jobs.job import Job


def options(parser: ArgumentParser) -> None:
    """Add the connection."""
    parser.add_argument("--connection", help="only the backups of this connection")


async def run(job: Job, given: Namespace) -> dict[str, Any]:
    """Verifies all copies and changes nothing; a dry run only counts them. An unreadable copy fails the job."""
    vault = vault_of(job.settings)
    copies = await vault.copies()
    chosen = only(given.connection, sorted({copy.connection for copy in copies}))
    copies = [copy for copy in copies if copy.connection in chosen]
    if job.dry_run:
        return {"copies": len(copies), "damaged": 0}
    damaged = 0
    with tempfile.TemporaryDirectory(prefix="teimoso-verify-") as scratch:
        for number, copy in enumerate(copies, 1):
            found = await verified(vault, copy, Path(scratch))
            damaged += not found["ok"]
            job.report(
                connection=copy.connection, copy=str(copy), done=number, of=len(copies), **found
            )
    if damaged:
        raise JobFailed("backup_damaged", f"{damaged} of {len(copies)} copies cannot be read.")
    return {"copies": len(copies), "damaged": 0}


async def verified(vault: Vault, copy: SessionCopy, scratch: Path) -> dict[str, Any]:
    """Returns whether a copy can be restored, whether its device is linked, and the items in its inbox.

    For one that cannot: the `code` and a sentence. Raises `BucketAway`.
    """
    target = scratch / "session"
    try:
        keys = await vault.restore(copy, target)
        session = Session.open(target, copy.position.epoch)
    except (Tampered, WrongKey) as refusal:
        return {"ok": False, "code": refusal.code, "why": str(refusal)}
    except SessionTooNew as newer:
        return {"ok": False, "code": newer.code, "why": "A newer release wrote it."}
    try:
        linked, keys_within = (
            session.linked_device.read() is not None,
            session.linked_device.has_keys,
        )
        waiting = len(session.inbox.pending("message", 1_000_000))
    finally:
        session.close()
    if linked and not keys_within and not keys:
        return {"ok": False, "code": Tampered.code, "why": "It has no keys."}
    return {"ok": True, "linked": linked, "waiting": waiting, "why": None}


def vault_of(settings: Settings) -> Vault:
    """Returns the vault of the settings. Raises `JobFailed` where they name none."""
    if settings.session_storage_type == "local":
        raise JobFailed("no_bucket", "There is no bucket: STORAGE_BUCKET names one.")
    return open_vault(settings, open_bucket(settings))
