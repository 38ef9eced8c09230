"""Traces as the tests read them: their lines, and what must not be in them."""

from __future__ import annotations

import base64
import json
import re
import sqlite3
from contextlib import closing, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import DecodeError
from google.protobuf.unknown_fields import UnknownFieldSet

from tests import signal_records

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_SHOWN = re.compile(
    r"~\d+|#\d+|\d{1,4}|604800|7776000|86400"  # sizes, ids, numbers and the durations of the list
    r"|\d{1,2}(\.\d{1,2}){1,2}"  # fields of the client payload
    r"|@?[a-z.]{2,16}(:\d+(\.\d{1,3})?)?|status@broadcast"  # addresses
    r"|(?!.*\d{5})[A-Za-z?][A-Za-z0-9:._-]{0,47}"  # words
)
"""All that a string of a trace may be; a version is WhatsApp's and in public."""

_NUMBERS = frozenset({"at", "times", "more", "dropped", "part", "trace", "?"})
"""Fields that count something of the trace itself."""

SHORTEST: Final = 8
"""Characters, or bytes, that a number, an id, a key or a token has at least."""
SHORTEST_KEY: Final = 16
"""Bytes of a key or a token that is a part of something else: of a text, of a message."""
TYPED_KEY: Final = 33, b"\5"
"""Bytes of a public key behind the byte that names its curve, and that byte."""

DECODERS: Final = (bytes.fromhex, partial(base64.b64decode, altchars=b"-_", validate=True))
"""Raise ValueError for a text that encodes no bytes. Base64 is read in both alphabets."""


def files(trace: Path) -> list[Path]:
    """The files of a trace, the oldest first."""
    return sorted(trace.parent.glob(f"{trace.name}*"), key=lambda file: file.name, reverse=True)


def lines(trace: Path) -> list[dict[str, Any]]:
    """All that was recorded, heads left out."""
    found = [json.loads(line) for file in files(trace) for line in file.read_text().splitlines()]
    return [line for line in found if "trace" not in line]


def stanzas(trace: Path, direction: str, tag: str, **attrs: str) -> list[dict[str, Any]]:
    """The stanzas of a kind that have these attributes."""
    return [
        line
        for line in lines(trace)
        if (line.get("dir"), line.get("tag")) == (direction, tag)
        and attrs.items() <= line.get("attrs", {}).items()
    ]


def leaks(trace: Path, secrets: Iterable[str | bytes]) -> list[str]:
    """Secrets that are in the trace, in any spelling, and strings that a trace has no place for."""
    strings = {text for file in files(trace) for text in _strings(file)}
    found = [text for text in sorted(strings) if not _SHOWN.fullmatch(text)]
    page = "\n".join(strings).lower()
    return found + [
        word for secret in secrets for word in spellings(secret) if word.lower() in page
    ]


def spellings(secret: str | bytes) -> Iterator[str]:
    if isinstance(secret, str):
        yield secret
    elif len(secret) >= 8:
        yield secret.hex()
        yield base64.b64encode(secret).decode().rstrip("=")
        yield base64.urlsafe_b64encode(secret).decode().rstrip("=")


def values(database: Path, *tables: str) -> Iterator[str | bytes]:
    """Keys, ids, addresses and tokens in a SQLite file: each value that is no word of the protocol.

    All tables are read where none is named.

    The parts of a value count one by one where it is JSON, a protobuf message or a Signal record of the whatsmeow
    program, and what a string encodes in Base64, in hexadecimal or with a character for each byte counts as
    bytes. AssertionError for a Signal record of another form.
    """
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as opened:
        there = opened.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for table in tables or [name for (name,) in there]:
            rows = opened.execute(f'SELECT * FROM "{table}"')
            records = [
                signal_records.COLUMNS.get((table, column)) for column, *_ in rows.description
            ]
            for row in rows:
                for value, fields in zip(row, records, strict=True):
                    for part in (value,) if fields is None else signal_records.keys(value, fields):
                        yield from _secrets(part)


def _secrets(value: object) -> Iterator[str | bytes]:
    if isinstance(value, bytes):
        if len(value) >= SHORTEST:
            yield value
        if (len(value), value[:1]) == TYPED_KEY:
            yield value[1:]
        for field in _fields(value):
            yield from _secrets(field)
        value = _parsed(value)
    elif isinstance(value, str):
        parsed = _parsed(value.encode())
        if parsed is None:
            yield from _words(value)
        value = parsed
    if isinstance(value, dict | list):
        for each in (*value, *value.values()) if isinstance(value, dict) else value:
            yield from _secrets(each)


def _parsed(text: bytes) -> dict[str, Any] | list[Any] | None:
    """The object or list that JSON text stands for; None for anything else."""
    if text[:1] in (b"{", b"["):
        with suppress(ValueError):
            found: dict[str, Any] | list[Any] = json.loads(text)
            return found
    return None


def _fields(message: bytes) -> Iterator[bytes]:
    """The fields of a protobuf message that may be keys; none for anything else."""
    with suppress(DecodeError):
        for field in UnknownFieldSet(Empty.FromString(message)):  # type: ignore[attr-defined]
            if isinstance(field.data, bytes) and len(field.data) >= SHORTEST_KEY:
                yield field.data


def _words(text: str) -> Iterator[str | bytes]:
    """A text and the user of an address, where they have a digit; and the bytes that it encodes.

    Without a digit a text is a word: of a state, say.
    """
    user = text.partition("@")[0].partition(":")[0]
    yield from (
        each for each in {text, user} if len(each) >= SHORTEST and any(map(str.isdigit, each))
    )
    for decode in DECODERS:
        with suppress(ValueError):
            if len(decoded := decode(text)) >= SHORTEST_KEY:
                yield from _secrets(decoded)
    if not text.isascii() and len(text) >= SHORTEST_KEY:
        with suppress(UnicodeEncodeError):
            yield from _secrets(text.encode("latin-1"))


def _strings(file: Path) -> Iterator[str]:
    """Names and values of all lines; numbers too, but for those that count lines and parts."""

    def walk(value: object) -> Iterator[str]:
        if isinstance(value, dict):
            for name, each in value.items():
                yield name
                if name not in _NUMBERS or not isinstance(each, int | float):
                    yield from walk(each)
        elif isinstance(value, list):
            for each in value:
                yield from walk(each)
        else:
            yield str(value)

    for line in file.read_text().splitlines():
        read = json.loads(line)
        read.pop("began", None)
        read.get("payload", {}).pop("version", None)
        yield from walk(read)
