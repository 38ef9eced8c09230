"""Validates queries to SQLite or Firestore, and encodes and checks the cursors of their pages (pure)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from actors.state.documents import InvalidCursor, Order, Where
from actors.state.fields import value_at

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.state.documents import Document

ID_FIELD = "id"
COMPARISONS = ("==", "<", "<=", ">", ">=")
_COLLECTION = re.compile(r"[a-z][a-z0-9_]{0,63}")
_FIELD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*")
_ID_BYTES = 1500  # Firestore's bound


@dataclass(frozen=True, slots=True)
class Request:
    """A checked query: its whole order, and the place behind which it begins."""

    collection: str
    where: tuple[Where, ...]
    orders: tuple[Order, ...]
    limit: int | None
    after: tuple[Any, ...] | None
    digest: str

    @classmethod
    def of(
        cls,
        collection: str,
        where: Sequence[Where],
        order: Sequence[Order],
        limit: int | None,
        after: str | None,
    ) -> Request:
        """Raises `ValueError` for a query outside the port's rules, `InvalidCursor`."""
        check_collection(collection)
        if limit is not None and limit < 1:
            raise ValueError("a limit is at least 1")
        orders = _complete(where, order)
        for condition in where:
            _check_condition(condition)
        digest = _digest(collection, where, orders)
        values = None if after is None else tuple(_position(after, digest, len(orders)))
        return cls(collection, tuple(where), orders, limit, values, digest)

    def cursor(self, last: Document) -> str:
        """The cursor that continues behind `last`."""
        values = [value_at(last, order.field) for order in self.orders]
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


def check_field(field: str) -> str:
    """The field path; raise `ValueError` for one that is none."""
    if not _FIELD.fullmatch(field):
        raise ValueError(f"not a field path: {field!r}")
    return field


def _check_condition(condition: Where) -> None:
    if condition.op not in COMPARISONS:
        raise ValueError(f"not a comparison: {condition.op!r}")
    if condition.field == ID_FIELD:
        raise ValueError("a document is found by its id with get")
    check_field(condition.field)
    if condition.value is None or isinstance(condition.value, bool):
        if condition.op != "==":
            raise ValueError("a range needs a number or a string")
    else:
        _check_value(condition.value)


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
    for each in orders:
        check_field(each.field)
    names = [o.field for o in orders]
    if len(set(names)) < len(names):
        raise ValueError("a field is ordered by once")
    if ID_FIELD in names[:-1]:
        raise ValueError("the id is the last to order by")
    if ID_FIELD not in names:
        orders.append(Order(ID_FIELD, descending=bool(orders) and orders[-1].descending))
    return tuple(orders)


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
                    return [_check_value(value) for value in values]
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


def _check_value(value: str | float) -> str | float:
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise ValueError("an integer has 64 bits")
    if isinstance(value, str):
        value.encode()  # a lone surrogate is a ValueError here, not in the store
    return value
