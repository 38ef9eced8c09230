"""Input that the service refuses whatever is asked for, and how much of it a test gives."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeVar

from jsonschema import Draft202012Validator

from tests.integration.gateway.served import KEY

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

T = TypeVar("T")
NUMBER, TEXT = "15550100077", "psst"
NO_KEYS = ("", "tmo_" + "x" * 43, KEY[:-1], "x" * 8000, "ä" * 40, "a\tb", f"{KEY},{KEY}")
NO_PARAMETERS = (f"konnection={NUMBER}", f"{NUMBER}=1", f"{KEY}", "%ff=%ff", "=", "x" * 9000)
NO_MEDIA_TYPES = ("text/plain", "application/x-www-form-urlencoded", "", "x", "a/b; c=json")
NO_ENCODINGS = ("gzip", "br", "identity, gzip", TEXT)
NOT_JSON = (
    b"{",
    b"}",
    b"'" + TEXT.encode() + b"'",
    b"\xff\xfe\x00",
    b"\xef\xbb\xbf{}",
    b"{} {}",
    b"{,}",
    b'{"a": tru}',
    b'{"a": 01}',
    b'{"a": "\x01"}',
    b'{"a": "\\ud800"}',
    b'{"a": "\xed\xa0\x80"}',
    b"[" * 100_000,
    b'{"a":' * 300 + b"1" + b"}" * 300,
    b'{"a": ' + b"9" * 5000 + b"}",
    '{"a": 1}'.encode("utf-16"),
)
OTHER_JSON = (b"[]", b"null", b"1", b"1e400", b"NaN", b"-Infinity", b'"psst"', b"[[]]", b"true")
OF_ANY_TYPE: tuple[Any, ...] = (True, 1.5, -1, 10**30, [], [NUMBER], {}, {TEXT: TEXT})
TEXTS = ("", "\0", "a\x1bb", "x" * 70_000, "\u2028", f"{TEXT}\n", f"../{NUMBER}")


def some(inputs: Sequence[T], of: Sequence[Any], one: Any) -> list[T]:
    """All inputs for the first; three for each other one, so that they take turns."""
    place = of.index(one)
    return [*inputs] if place == 0 else [inputs[(3 * place + at) % len(inputs)] for at in range(3)]


def bad_parameters(schema: dict[str, Any]) -> Iterator[str]:
    """Values that no parameter of this type takes."""
    kinds = {schema.get("type"), *(each.get("type") for each in schema.get("anyOf", ()))}
    yield from ("", "\0", "x" * 2000, f"{TEXT}\n", "\u0661\u0000")
    if kinds & {"integer", "number"}:
        yield from ("-1", "1e9", "1e999", "NaN", "inf", "0x10", "9" * 5000, "ten", "1,5", "null")
        yield from ("1_0", " 1", "1 ", "+1", "01", "\u0661", "1.", "0b1")
    if "integer" in kinds:
        yield from ("0", "1.5")


def bad_values(schema: dict[str, Any]) -> Iterator[Any]:
    """Values that no field of this type takes."""
    kinds = {schema.get("type"), *(each.get("type") for each in schema.get("anyOf", ()))}
    valid = Draft202012Validator(schema).is_valid
    if "null" not in kinds:
        yield None
    for value in OF_ANY_TYPE:
        wanted = {bool: "boolean", int: "integer", float: "number", list: "array", dict: "object"}
        if value in (-1, 10**30) and type(value) is int:
            if not valid(value):
                yield value
        elif wanted[type(value)] not in kinds:
            yield value
    texts = [value for value in TEXTS if "format" in json.dumps(schema) or not valid(value)]
    assert len(texts) >= 3
    yield from texts
    if "date-time" in json.dumps(schema):
        yield from (
            "-1",
            "253402300800",
            "2030-01-01",
            "2030-01-01T00:00:00",
            "2030-13-01T00:00:00Z",
        )
