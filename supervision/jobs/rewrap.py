"""Put every copy of a session under the newest key of SESSION_ENCRYPTION_KEY."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from supervision.jobs.copies import vault_of

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from supervision.jobs.job import Job


def options(_: ArgumentParser) -> None:
    """None: a key that may go has to be gone from every copy."""


async def run(job: Job, _: Namespace) -> dict[str, Any]:
    """A copy is replaced as it was read or not at all; one that is under the newest key stays."""
    vault = vault_of(job.settings)
    copies = await vault.copies()
    rewrapped = 0
    for number, copy in enumerate(copies, 1):
        old = await vault.is_old(copy) if job.dry_run else await vault.rewrap(copy)
        rewrapped += old
        job.tell(connection=copy.connection, done=number, of=len(copies))
    return {"copies": len(copies), "rewrapped": rewrapped}
