"""Adds webhooks and API keys to SQLite or Firestore within their quota, safely across concurrent processes."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, TypedDict

from actors.runtime.limits.quotas import units_of
from actors.state.documents import QUOTAS, StoreAway, Write

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from actors.runtime.limits.quotas import Quota
    from actors.state.documents import Change, Document, Documents

INSERT_TRIES = 20
"""Additions by others, one after the other, that may come between."""


class _Overtaken(Exception):
    """Another process added one meanwhile."""


class QuotaDocument(TypedDict):
    """The guard of a collection with a quota."""

    turn: int
    """Rises with each document that is added to the collection."""


async def add(
    documents: Documents,
    collection: str,
    connections: Sequence[str] | None,
    writes: Sequence[Write],
    *,
    quota: Quota,
) -> None:
    """Commit `writes`, which add a document of `collection` for these connections (None: for all).

    Counting and adding are one step: each addition raises `turn` in its batch, and counts anew where another
    one raised it since the count. Raises `LimitReached`, `StoreAway`, and what the writes raise.
    """
    units = units_of(connections)
    for _ in range(INSERT_TRIES):
        turn = _turn(await documents.get(QUOTAS, collection))
        quota.check(units, used((await documents.query(collection)).items))
        try:
            await documents.batch(
                [Write("change", QUOTAS, collection, change=_next(turn)), *writes]
            )
        except _Overtaken:
            continue
        return
    raise StoreAway("others add without a pause")


def used(documents: Iterable[Document]) -> Counter[str]:
    """Count the documents of each unit (`actors.runtime.limits.quotas`), without those that ended (pure).

    One of several connections counts for those of them that are not deleted.
    """
    counts = Counter[str]()
    for each in documents:
        if each.get("ended_at") is None:
            counts.update(set(units_of(each["connections"])) - set(each.get("ended", ())))
    return counts


def _turn(document: Document | None) -> int:
    return 0 if document is None else int(document["turn"])


def _next(turn: int) -> Change:
    def change(there: Document | None) -> QuotaDocument:
        if _turn(there) != turn:
            raise _Overtaken
        return {"turn": turn + 1}

    return change
