"""Implements `teimoso jobs run export-connection`: writes messages, contacts, chats and labels to a JSON Lines file."""

from __future__ import annotations

import asyncio
import json
import os
import re
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from actors.runtime.atomic_files import begin_scratch, clear_scratch
from actors.runtime.connection_ids import name_of
from actors.state.account.app_state import shown
from actors.state.account.app_state_pages import pages
from actors.state.documents import MESSAGES, Order, Where
from supervision.jobs.job import JobFailed, find_connection

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from actors.state.documents import Documents
    from supervision.jobs.job import Job

EXPORT_PAGE = 500


def options(parser: ArgumentParser) -> None:
    """Add the connection, and the file that is written."""
    parser.add_argument(
        "connection", help="name of the connection, or the incarnation of a deleted one"
    )
    parser.add_argument(
        "--to",
        type=Path,
        help="the file; by default exports/NAME.jsonl in the data directory, INCARNATION.jsonl of a deleted one",
    )


async def run(job: Job, given: Namespace) -> dict[str, Any]:
    """Writes the whole file, readable for its owner alone, or leaves the earlier one as it was.

    The first line is the connection, without the keys of its device; then its messages by time; then
    its contacts, chats and labels, each with its collection.
    """
    documents = job.documents()
    connection, found = await find_connection(documents, given.connection)
    about = {"id": connection, "deleted": True} if found is None else asdict(found)
    # A later connection of the name may have been exported to NAME.jsonl.
    file = connection if found is None else found.name
    target = given.to or job.settings.data / "exports" / f"{file}.jsonl"
    where = [Where("connection", "==", connection)]
    count, after = 0, None
    stream, scratch = None, target
    if not job.dry_run:
        stream, scratch = await asyncio.to_thread(_begin, target)
    try:
        if stream is not None:
            head = {"connection": {"name": name_of(connection), **about}}
            stream.write(json.dumps(head, ensure_ascii=False) + "\n")
        while True:
            page = await documents.query(
                MESSAGES, where=where, order=[Order("at")], limit=EXPORT_PAGE, after=after
            )
            if stream is not None:
                await asyncio.to_thread(_write, stream, page.items)
            count += len(page.items)
            job.report(messages=count)
            after = page.next
            if after is None:
                break
        noted = await _account(documents, connection, stream)
        if stream is not None:
            await asyncio.to_thread(_finish, stream, scratch, target)
    except OSError as error:
        raise _unwritable(target, error) from None
    finally:
        if stream is not None:
            stream.close()
            scratch.unlink(missing_ok=True)
    return {"messages": count, "app_state": noted, "file": None if job.dry_run else str(target)}


async def _account(documents: Documents, connection: str, stream: Any | None) -> int:
    """Writes contacts, chats and labels to the file, if there is one; returns their number."""
    count = 0
    async for collection, items in pages(documents, connection):
        lines = [{"collection": collection, **item} for item in items if shown(item)]
        if stream is not None:
            await asyncio.to_thread(_write, stream, lines)
        count += len(lines)
    return count


def _begin(target: Path) -> tuple[Any, Path]:
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        clear_scratch(target.parent, re.compile(re.escape(target.name)))
        descriptor, scratch = begin_scratch(target)
    except OSError as error:
        raise _unwritable(target.parent, error) from None
    return os.fdopen(descriptor, "w"), scratch


def _unwritable(place: Path, error: OSError) -> JobFailed:
    return JobFailed("not_written", f"{place} cannot be written: {error.strerror}.")


def _write(stream: Any, items: Any) -> None:
    stream.writelines(json.dumps(item, ensure_ascii=False) + "\n" for item in items)


def _finish(stream: Any, scratch: Path, target: Path) -> None:
    stream.flush()
    os.fsync(stream.fileno())
    scratch.replace(target)
