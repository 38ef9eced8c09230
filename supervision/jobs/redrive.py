"""Implements `teimoso jobs run redrive`: queues dead letters again in Redis, all retriable ones or by filter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from actors.queue.dead_letters import Which
from actors.queue.outbound_queue import OutboundQueue
from actors.runtime.connection_ids import name_of
from actors.state.connections import Connections
from supervision.jobs.job import only

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from supervision.jobs.job import Job

REDRIVE_PAGE = 500


def options(parser: ArgumentParser) -> None:
    """Add the filter of the dead letters."""
    parser.add_argument("--connection", help="only those of this connection")
    parser.add_argument("--code", help="only those with this error")


async def run(job: Job, given: Namespace) -> dict[str, Any]:
    """Returns each letter to its lane once: a queued message is no dead letter any more."""
    lanes = OutboundQueue(job.redis(), job.settings)
    there = [one.id for one in (await Connections(job.documents()).list()).items]
    which = Which(code=given.code)
    total = 0
    for connection in only(given.connection, there):
        count = await (_count if job.dry_run else _redrive)(lanes, connection, which)
        total += count
        job.report(connection=name_of(connection), letters=count)
    return {"letters": total}


async def _redrive(lanes: OutboundQueue, connection: str, which: Which) -> int:
    count, behind = 0, 0
    while True:
        done = await lanes.dead_letters.redrive(connection, which, behind=behind)
        count += done.count
        if done.behind is None:
            return count
        behind = done.behind


async def _count(lanes: OutboundQueue, connection: str, which: Which) -> int:
    count, behind = 0, 0
    while page := await lanes.dead_letters.page(connection, REDRIVE_PAGE, behind):
        codes = [letter.record.error for letter in page]
        count += sum(which.code in (None, code) and code not in which.left_alone for code in codes)
        behind = page[-1].place
    return count
