"""Compiles queries of the documents interface to SQLite statements, and its indexes (pure).

The table is ``documents(collection, id, data)`` with `data` as JSON text without the id. A partial
index over JSON expressions serves each query named in `documents.QUERIES`; a statement therefore
names its collection and fields literally (SQLite matches the expressions and the index's WHERE),
which is safe because both are restricted to identifiers.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from actors.state.documents import QUERIES
from actors.state.queries import ID_FIELD, Request, check_field

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from actors.state.documents import Order, Where

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
    """A SELECT of (id, data) with its parameters, and the request that it answers."""

    sql: str
    parameters: tuple[Any, ...]
    request: Request


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
        ", ".join(f"coalesce(json_extract({side}.data, '$.{check_field(name)}'), 0)" for name in by)
        for side in ("documents", "excluded")
    )
    data = "excluded.data"
    for name in keep:
        path = f"'$.{check_field(name)}'"
        data = (
            f"iif(json_type(documents.data, {path}) IS NULL, {data},"
            f" json_set({data}, {path}, json_quote(json_extract(documents.data, {path}))))"
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
    request = Request.of(collection, where, order, limit, after)
    orders = request.orders
    conditions = [f"collection = '{collection}'"]
    parameters: list[Any] = []
    for condition in where:
        _add_condition(condition, conditions, parameters)
    conditions += [f"{_extract(o.field)} IS NOT NULL" for o in orders if o.field != ID_FIELD]
    if request.after is not None:
        _add_cursor(orders, request.after, conditions, parameters)
    by = ", ".join(f"{_extract(o.field)} {'DESC' if o.descending else 'ASC'}" for o in orders)
    source = f"documents{_indexed(collection, where, orders)}"
    sql = f"SELECT id, data FROM {source} WHERE {' AND '.join(conditions)} ORDER BY {by}"  # noqa: S608 - identifiers only, checked above
    if limit is not None:
        sql += " LIMIT ?"
        parameters.append(limit + 1)  # one more shows whether there is a next page
    return Statement(sql, tuple(parameters), request)


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


def _add_condition(condition: Where, conditions: list[str], parameters: list[Any]) -> None:
    expression, value = _extract(condition.field), condition.value
    kind = f"json_type(data, '$.{condition.field}')"
    if value is None or isinstance(value, bool):
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
    parameters.append(value)


def _add_cursor(
    orders: tuple[Order, ...], values: tuple[Any, ...], conditions: list[str], parameters: list[Any]
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


def _extract(field: str) -> str:
    if field == ID_FIELD:
        return ID_FIELD
    return f"json_extract(data, '$.{check_field(field)}')"
