"""Queries of the documents port as SQLite statements: pure, and every cursor checked.

The table is ``documents(collection, id, data)`` with `data` as JSON text without the id. A partial
index over JSON expressions serves each query named in `documents.QUERIES`; a statement therefore
names its collection and fields literally (SQLite matches the expressions and the index's WHERE),
which is safe because both are restricted to identifiers.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from actors.state.documents import QUERIES, InvalidCursor, Order, Where

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from actors.state.documents import Document

ID_FIELD = "id"
_COLLECTION = re.compile(r"[a-z][a-z0-9_]{0,63}")
_FIELD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*")
_COMPARISONS = ("==", "<", "<=", ">", ">=")
_ID_BYTES = 1500  # Firestore's bound

TABLE = """
CREATE TABLE IF NOT EXISTS documents (
    collection TEXT NOT NULL,
    id TEXT NOT NULL,
    data TEXT NOT NULL,
    PRIMARY KEY (collection, id)
) WITHOUT ROWID
"""


@dataclass(frozen=True, slots=True)
class Statement:
    """A SELECT of (id, data) with its parameters, and what the cursor of a next page needs."""

    sql: str
    parameters: tuple[Any, ...]
    orders: tuple[Order, ...]
    digest: str
    limit: int | None

    def cursor(self, last: Document) -> str:
        """The cursor that continues behind `last`."""
        values = [_value(last, order.field) for order in self.orders]
        text = json.dumps([self.digest, values], separators=(",", ":"))
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def check_address(collection: str, identity: str) -> None:
    """Raise `ValueError` for an address that no store takes."""
    check_collection(collection)
    if not identity or "/" in identity or len(identity.encode()) > _ID_BYTES:
        raise ValueError("a document id has 1 to 1500 bytes and no slash")


def check_collection(collection: str) -> None:
    """Raise `ValueError` for a name that is no collection's."""
    if not _COLLECTION.fullmatch(collection):
        raise ValueError(f"not a collection name: {collection!r}")


def indexes() -> Iterator[str]:
    """The statements that create the indexes of `documents.QUERIES`."""
    for collection, queries in QUERIES.items():
        for fields in queries:
            columns = ", ".join((*map(_extract, fields), "id"))
            yield (
                f'CREATE INDEX IF NOT EXISTS "{_index(collection, fields)}" '
                f"ON documents ({columns}) "
                f"WHERE collection = '{collection}'"
            )


@cache
def compile_advance(by: tuple[str, ...], keep: tuple[str, ...] = ()) -> str:
    """The statement of an ``advance``, with collection, id and data as its parameters."""
    if not by:
        raise ValueError("an advance names the fields that decide")
    # Both sides as SQLite reads them, which for a long number may be a little off what Python has.
    there, new = (
        ", ".join(f"coalesce(json_extract({side}.data, '$.{_checked(name)}'), 0)" for name in by)
        for side in ("documents", "excluded")
    )
    data = "excluded.data"
    for name in keep:
        path = f"'$.{_checked(name)}'"
        data = (
            f"iif(json_type(documents.data, {path}) IS NULL, {data},"
            f" json_set({data}, {path}, json(json_extract(documents.data, {path}))))"
        )
    return (
        "INSERT INTO documents VALUES (?, ?, ?) ON CONFLICT (collection, id) "  # noqa: S608 - field paths only
        f"DO UPDATE SET data = {data} WHERE ({there}) <= ({new})"
    )


def compile_query(
    collection: str,
    where: Sequence[Where],
    order: Sequence[Order],
    limit: int | None,
    after: str | None,
) -> Statement:
    """Raises `ValueError` for a query outside the port's rules, `InvalidCursor` for the cursor."""
    check_collection(collection)
    if limit is not None and limit < 1:
        raise ValueError("a limit is at least 1")
    orders = _complete(where, order)
    digest = _digest(collection, where, orders)
    conditions = [f"collection = '{collection}'"]
    parameters: list[Any] = []
    for condition in where:
        _add_condition(condition, conditions, parameters)
    conditions += [f"{_extract(o.field)} IS NOT NULL" for o in orders if o.field != ID_FIELD]
    if after is not None:
        _add_cursor(orders, _position(after, digest, len(orders)), conditions, parameters)
    by = ", ".join(f"{_extract(o.field)} {'DESC' if o.descending else 'ASC'}" for o in orders)
    source = f"documents{_indexed(collection, where, orders)}"
    sql = f"SELECT id, data FROM {source} WHERE {' AND '.join(conditions)} ORDER BY {by}"  # noqa: S608 - identifiers only, checked above
    if limit is not None:
        sql += " LIMIT ?"
        parameters.append(limit + 1)  # one more tells whether there is a next page
    return Statement(sql, tuple(parameters), orders, digest, limit)


def _indexed(collection: str, where: Sequence[Where], orders: Sequence[Order]) -> str:
    """The index that serves it, named: the planner would rather walk a whole collection by id.

    All fields but the last are compared for equality, the last is ordered by (or compared where
    the order is by id); of several the one that compares most, of those the first in `QUERIES`.
    """
    equal = {condition.field for condition in where if condition.op == "=="}
    first = orders[0].field
    serving = [
        fields
        for fields in QUERIES.get(collection, ())
        if equal.issuperset(fields[:-1])
        and (fields[-1] == first or (first == ID_FIELD and fields[-1] in equal))
    ]
    if not serving:
        return ""
    return f' INDEXED BY "{_index(collection, max(serving, key=len))}"'


def _index(collection: str, fields: Sequence[str]) -> str:
    return ":".join((collection, *fields))


def _complete(where: Sequence[Where], order: Sequence[Order]) -> tuple[Order, ...]:
    """The order with what is implied: the field of a range first, the id last."""
    ranged = {condition.field for condition in where if condition.op != "=="}
    if len(ranged) > 1:
        raise ValueError("a range is possible on one field")
    orders = list(order)
    if ranged and not orders:
        orders = [Order(next(iter(ranged)))]
    if ranged and orders[0].field not in ranged:
        raise ValueError("the field of a range is the first to order by")
    names = [o.field for o in orders]
    if len(set(names)) < len(names):
        raise ValueError("a field is ordered by once")
    if ID_FIELD in names[:-1]:
        raise ValueError("the id is the last to order by")
    if ID_FIELD not in names:
        orders.append(Order(ID_FIELD, descending=bool(orders) and orders[-1].descending))
    return tuple(orders)


def _add_condition(condition: Where, conditions: list[str], parameters: list[Any]) -> None:
    if condition.op not in _COMPARISONS:
        raise ValueError(f"not a comparison: {condition.op!r}")
    if condition.field == ID_FIELD:
        raise ValueError("a document is found by its id with get")
    expression, value = _extract(condition.field), condition.value
    kind = f"json_type(data, '$.{condition.field}')"
    if value is None or isinstance(value, bool):
        if condition.op != "==":
            raise ValueError("a range needs a number or a string")
        # The plain comparison is what an index serves; the type keeps true apart from 1.
        if value is None:
            conditions.append(f"{expression} IS NULL AND {kind} = 'null'")
        else:
            conditions.append(f"{expression} = ? AND {kind} = '{'true' if value else 'false'}'")
            parameters.append(int(value))
        return
    kinds = "('text')" if isinstance(value, str) else "('integer', 'real')"
    operator = "=" if condition.op == "==" else condition.op
    conditions.append(f"{expression} {operator} ? AND {kind} IN {kinds}")
    parameters.append(_bindable(value))


def _add_cursor(
    orders: tuple[Order, ...], values: list[Any], conditions: list[str], parameters: list[Any]
) -> None:
    """Behind `values`: a bound on the first field, by which an index seeks, then the exact rule."""
    first = orders[0]
    conditions.append(f"{_extract(first.field)} {'<=' if first.descending else '>='} ?")
    parameters.append(values[0])
    alternatives = []
    for place, order in enumerate(orders):
        equal = [f"{_extract(earlier.field)} = ?" for earlier in orders[:place]]
        beyond = f"{_extract(order.field)} {'<' if order.descending else '>'} ?"
        alternatives.append(f"({' AND '.join((*equal, beyond))})")
        parameters.extend(values[: place + 1])
    conditions.append(f"({' OR '.join(alternatives)})")


def _position(cursor: str, digest: str, count: int) -> list[Any]:
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        decoded = json.loads(text)
    except (binascii.Error, ValueError):
        raise InvalidCursor("not a cursor") from None
    match decoded:
        case [str(given), list(values)] if given == digest and len(values) == count:
            if all(isinstance(v, str | int | float) for v in values):
                try:
                    return [_bindable(value) for value in values]
                except ValueError:
                    pass
    raise InvalidCursor("a cursor of another query")


def _digest(collection: str, where: Sequence[Where], orders: Sequence[Order]) -> str:
    text = json.dumps(
        [
            collection,
            sorted([c.field, c.op, repr(c.value)] for c in where),
            [[o.field, o.descending] for o in orders],
        ]
    )
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _extract(field: str) -> str:
    if field == ID_FIELD:
        return ID_FIELD
    return f"json_extract(data, '$.{_checked(field)}')"


def _checked(field: str) -> str:
    if not _FIELD.fullmatch(field):
        raise ValueError(f"not a field path: {field!r}")
    return field


def _value(document: Document, field: str) -> Any:
    value: Any = document
    for part in field.split("."):
        value = value[part]
    return value


def _bindable(value: str | float) -> str | float:
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise ValueError("an integer has 64 bits")
    if isinstance(value, str):
        value.encode()  # a lone surrogate is a ValueError here, not in the store's thread
    return value
