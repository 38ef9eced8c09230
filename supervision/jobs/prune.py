"""Implements `teimoso jobs run prune-messages`: deletes old messages from SQLite or Firestore, but none still queued."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from actors.runtime.deletion_time import ordered_deletion_time
from actors.runtime.limits.durations import DAY
from actors.state.messages.removal import prune
from supervision.jobs.job import JobFailed, find_connection

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from supervision.jobs.job import Job

MIN_DAYS = 30
"""Days for which a tombstone has to identify a message that WhatsApp delivers again."""


def options(parser: ArgumentParser) -> None:
    """Add the age in days, and the connection."""
    parser.add_argument("--days", type=int, required=True, help="days to keep, at least 30")
    parser.add_argument(
        "--connection",
        help="only those of this connection: its name, or the incarnation of a deleted one",
    )


async def run(job: Job, given: Namespace) -> dict[str, Any]:
    """Deletes documents past their retention, but no queued sends and no dead letters that can be retried.

    Ages count from `ordered_deletion_time`.
    """
    if given.days < MIN_DAYS:
        raise JobFailed("too_few_days", f"--days must be {MIN_DAYS} or more.")
    documents = job.documents()
    connection = given.connection
    if connection is not None:
        connection, _ = await find_connection(documents, connection)
    now = ordered_deletion_time(job.settings.data)
    removed = await prune(
        documents,
        before=now - given.days * DAY,
        letters=now - (job.settings.dead_letter_retention_days + 7) * DAY,
        connection=connection,
        dry_run=job.dry_run,
        report=lambda looked, count: job.report(looked=looked, removed=count),
    )
    return {"removed": removed}
