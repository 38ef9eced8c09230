"""Whether the indexes that exist serve a query, as Google decides it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.emulators.firestore import fields
from tests.emulators.firestore.filters import Composite, Op, Unary, leaves
from tests.emulators.firestore.queries import complete
from tests.emulators.firestore.refusals import Code, Refused

if TYPE_CHECKING:
    from pathlib import Path

    from tests.emulators.firestore.queries import Orders


@dataclass(frozen=True, slots=True)
class Index:
    """A composite index: its fields in order, each with whether it descends."""

    collection: str
    fields: Orders


def read(file: Path) -> list[Index]:
    """The indexes of a ``firestore.indexes.json``."""
    return [
        Index(
            each["collectionGroup"],
            tuple((field["fieldPath"], field["order"] == "DESCENDING") for field in each["fields"]),
        )
        for each in json.loads(file.read_text())["indexes"]
    ]


def check(query: Any, indexes: list[Index]) -> None:
    """Refuse a query that needs an index which is not there.

    Every field has an index of its own, and equalities alone are served by merging those. With an
    order besides, each index that takes part ends with that order, and holds equalities before it.
    """
    equal = _equalities(query.where)
    orders = complete(query)
    ordered = [order for order in orders if order[0] not in equal and order[0] != fields.NAME]
    by_name = orders[-1][1] if not ordered else ordered[-1][1] != orders[-1][1]
    if len(ordered) + len(equal) <= 1 and not (by_name and equal):
        return
    if not ordered and not by_name:
        return
    covered: set[str] = set()
    served = False
    for index in indexes:
        if index.collection != query.from_[0].collection_id or by_name:
            continue
        before, end = index.fields[: -len(ordered)], index.fields[-len(ordered) :]
        names = {path for path, _ in before}
        if list(end) == ordered and names <= equal:
            covered |= names
            served = True
    if not served or covered != equal:
        wanted = [*sorted(equal), *(f"{path}{' desc' * down}" for path, down in ordered)]
        raise Refused(
            Code.FAILED_PRECONDITION,
            f"The query requires an index on {query.from_[0].collection_id}: {', '.join(wanted)}",
        )


def _equalities(condition: Any) -> set[str]:
    if condition.composite_filter.op == Composite.OR:
        raise Refused(Code.UNIMPLEMENTED, "with --indexes there is no or")
    return {
        leaf.field_filter.field.field_path or leaf.unary_filter.field.field_path
        for leaf in leaves(condition)
        if leaf.field_filter.op in (Op.EQUAL, Op.IN)
        or leaf.unary_filter.op in (Unary.IS_NULL, Unary.IS_NAN)
    }
