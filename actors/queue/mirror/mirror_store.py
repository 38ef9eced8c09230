"""Writes documents that mirror queued messages to SQLite or Firestore; one refused document blocks no other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from actors.metrics.counters import measures
from actors.queue.mirror import mirror_writes
from actors.state.documents import commit_each

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.queue.records import Record
    from actors.state.documents import Documents

log = structlog.get_logger()


async def store(documents: Documents, records: Sequence[Record]) -> set[str]:
    """Store the views of records; of one that the store refuses for good the view without its words.

    Returns the ids of the latter, and of those whose content only a newer release knows: the queue alone has
    their words. Refusals are logged and counted. Raises `StoreAway`, and may be repeated then.
    """
    billed = documents.billed
    groups = [mirror_writes.writes([record], billed=billed) for record in records]
    refused = await commit_each(documents.batch, groups)
    lacking = {record.id for record in records if mirror_writes.is_unknown(record)}
    if not refused:
        return lacking
    bare = [mirror_writes.without_words(records[place]) for place in refused]
    lost = set(await commit_each(documents.batch, bare))
    for number, place in enumerate(refused):
        measures.count("teimoso_state_store_refusals", reason="refused")
        log.error(
            "view refused",
            action="mirror_refused",
            message=records[place].id,
            without_words=number not in lost,
        )
    return lacking | {records[place].id for place in refused}
