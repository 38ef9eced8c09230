"""Compares, once after a start, the Redis queue with its mirror in SQLite or Firestore; stores the counts there too.

A difference means that one of them was emptied, or restored from a copy.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, TypedDict

import structlog

from actors.messages.content import NOTICES
from actors.queue.records import api_id, split_id
from actors.state.documents import COMPARISON, HEALTH_STATUS, JOBS, Order, Where

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from actors.queue.queue_reader import QueueReader, Standing
    from actors.state.documents import Document, Documents

log = structlog.get_logger()

UNFINISHED = ("queued", "waiting", "sending", "dead")
COMPARISON_PAGE = 200
MAX_COMPARED_DOCUMENTS = 2_000
"""Documents of each status, and messages, that one comparison looks at of each connection: the oldest."""
ALONE = 200
"""Messages of a connection, at most, that are looked up one by one since no page of documents had them."""
SETTLED = 12.0
"""Seconds after which a difference that is still there is not the lag of the view (`upkeep.MIRROR_LAG_SECONDS`)."""
COMPARISON_PAUSE_SECONDS = 0.02
"""Seconds between two pages."""


class ComparisonDocument(TypedDict):
    """The last comparison of the queue with `message_queue_jobs`."""

    compared_at: float
    """When it was made."""
    missing: int
    """Messages that are unfinished in the store alone."""
    unseen: int
    """Messages that are in the queue alone."""
    differing: int
    """Messages that are in both, with another status or revision: also where the record is older than the document, since the queue was restored from a copy."""


@dataclass(frozen=True, slots=True)
class Differences:
    """Numbers of messages, with the fields of `ComparisonDocument`."""

    missing: int = 0
    unseen: int = 0
    differing: int = 0

    @property
    def any(self) -> bool:
        """Whether one message or more differs."""
        return self.missing + self.unseen + self.differing > 0


class Comparison:
    """Reads both sides in pages with pauses; changes neither. Raises `RedisAway` and `StoreAway`."""

    def __init__(
        self, reader: QueueReader, documents: Documents, *, settled: float = SETTLED
    ) -> None:
        self._reader = reader
        self._documents = documents
        self._settled = settled

    async def run(self, connections: Collection[str]) -> Differences:
        """Compare, look a second time at what differs, and note the counts for the health monitor."""
        jobs = await self._jobs(connections)
        suspects = [each for each, kind in (await self._judged(jobs)).items() if kind]
        suspects += await self._unseen(connections, jobs)
        found = Differences()
        if suspects:
            await asyncio.sleep(self._settled)
            found = await self._again(suspects)
        note = {"compared_at": time.time(), **asdict(found)}
        await self._documents.set(HEALTH_STATUS, COMPARISON, note)
        (log.error if found.any else log.info)(
            "compared", action="queue.compare", jobs=len(jobs), **asdict(found)
        )
        return found

    async def _jobs(self, connections: Collection[str]) -> dict[str, Document]:
        """Return the documents of unfinished messages of these connections, by API id.

        All pages are read until each connection has its number: a backlog of one hides no other's documents.
        """
        jobs: dict[str, Document] = {}
        for status in UNFINISHED:
            after, taken = None, Counter[str]()
            while True:
                page = await self._documents.query(
                    JOBS,
                    where=[Where("status", "==", status)],
                    order=[Order("updated_at")],
                    limit=COMPARISON_PAGE,
                    after=after,
                )
                for each in page.items:
                    connection = each["connection"]
                    wanted = connection in connections and each.get("expired_at") is None
                    if wanted and taken[connection] < MAX_COMPARED_DOCUMENTS:
                        taken[connection] += 1
                        jobs[each["id"]] = each
                after = page.next
                if after is None or taken.total() == MAX_COMPARED_DOCUMENTS * len(connections):
                    break
                await asyncio.sleep(COMPARISON_PAUSE_SECONDS)
        return jobs

    async def _judged(self, jobs: dict[str, Document]) -> dict[str, str | None]:
        """Return how each message differs from its document (`difference`), by API id."""
        judged: dict[str, str | None] = {}
        of: dict[str, list[str]] = defaultdict(list)
        for id_ in jobs:
            if (names := split_id(id_)) is not None:
                of[names[0]].append(names[1])
        for connection, ids in of.items():
            for begin in range(0, len(ids), COMPARISON_PAGE):
                page = await self._reader.standings(
                    connection, ids[begin : begin + COMPARISON_PAGE]
                )
                for message_id, standing in page.items():
                    id_ = api_id(connection, message_id)
                    judged[id_] = difference(standing, jobs[id_])
                await asyncio.sleep(COMPARISON_PAUSE_SECONDS)
        return judged

    async def _unseen(self, connections: Collection[str], jobs: Collection[str]) -> list[str]:
        """Return API ids of the queue's messages without a document in `jobs`, which may be on a page that was not read."""
        found: list[str] = []
        for connection in connections:
            ids = await self._reader.unfinished(connection, MAX_COMPARED_DOCUMENTS)
            alone = [each for each in ids if api_id(connection, each) not in jobs][:ALONE]
            found += [api_id(connection, each) for each in alone]
            await asyncio.sleep(COMPARISON_PAUSE_SECONDS)
        return found

    async def _again(self, suspects: Sequence[str]) -> Differences:
        counts = dict.fromkeys(asdict(Differences()), 0)
        for id_ in suspects:
            names = split_id(id_)
            assert names is not None
            before = await self._standing(names)
            document = await self._documents.get(JOBS, id_)
            standing = await self._standing(names)
            # One that moves between the two reads is not lost: its document may be older or newer than its record.
            kind = difference(standing, document) if standing == before else None
            if kind is not None:
                counts[kind] += 1
        return Differences(**counts)

    async def _standing(self, names: tuple[str, str]) -> Standing | None:
        connection, message_id = names
        return (await self._reader.standings(connection, [message_id]))[message_id]


def difference(standing: Standing | None, document: Document | None) -> str | None:
    """Return the field of `Differences` that counts this message; None where nothing differs, or it is lag."""
    if standing is None:
        gone = document is None or document["status"] not in UNFINISHED
        return None if gone or (document and document.get("expired_at")) else "missing"
    if standing.marked:
        return None
    if document is None:
        shown = standing.status in UNFINISHED and (
            standing.type not in NOTICES or standing.status == "dead"
        )
        return "unseen" if shown else None
    same = document["status"] == standing.status and document["revision"] == standing.revision
    return None if same else "differing"
