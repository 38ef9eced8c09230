"""Implements `teimoso jobs run rewrap-keys`: encrypts the data key of session backups with the newest encryption key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from supervision.jobs.verify_backups import vault_of

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from supervision.jobs.job import Job


def options(_: ArgumentParser) -> None:
    """Declares no options: an old key may be removed only once no copy uses it."""


async def run(job: Job, _: Namespace) -> dict[str, Any]:
    """Replaces each copy atomically, unless it changed meanwhile or has the newest key already."""
    vault = vault_of(job.settings)
    copies = await vault.copies()
    rewrapped = 0
    for number, copy in enumerate(copies, 1):
        old = await vault.is_old(copy) if job.dry_run else await vault.rewrap(copy)
        rewrapped += old
        job.report(connection=copy.connection, done=number, of=len(copies))
    return {"copies": len(copies), "rewrapped": rewrapped}
