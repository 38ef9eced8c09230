"""Refusals in place of a result, and the documented limits behind them.

The limits are those of https://firebase.google.com/docs/firestore/quotas, sizes are counted as in
https://firebase.google.com/docs/firestore/storage-size. The bound of 500 writes is that of a release of
Firestore that still had one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import grpc

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Code = grpc.StatusCode

REQUEST_BYTES: Final = 10 * 2**20
WRITES: Final = 500
TRANSFORMS: Final = 500
"""Of one document, in a commit."""
NAME_BYTES: Final = 6 * 1024
ID_BYTES: Final = 1500
COLLECTION_DEPTH: Final = 100
DOCUMENT_BYTES: Final = 1_048_576
VALUE_BYTES: Final = DOCUMENT_BYTES - 89
FIELD_NAME_BYTES: Final = 1500
FIELD_PATH_BYTES: Final = 1500
DEPTH: Final = 20
"""Of maps and lists within one another."""
INDEX_ENTRIES: Final = 40_000
"""Of a document; no exemption of a field is known here."""

_SIZES: Final[Mapping[str, int]] = {
    "null_value": 1,
    "boolean_value": 1,
    "integer_value": 8,
    "double_value": 8,
    "timestamp_value": 8,
    "geo_point_value": 16,
}


class Refused(Exception):
    """A status and the sentence beside it."""

    def __init__(self, code: grpc.StatusCode, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


def invalid(text: str) -> Refused:
    return Refused(Code.INVALID_ARGUMENT, text)


def check_request(request: Any) -> None:
    """Refuse a request that is too large, whatever it asks."""
    if request.ByteSize() > REQUEST_BYTES:
        raise invalid(f"Request payload size exceeds the limit: {REQUEST_BYTES} bytes.")


def check_writes(writes: Sequence[Any]) -> None:
    """Refuse a commit of too many writes, or of too many transforms of one document."""
    if len(writes) > WRITES:
        raise invalid(f"maximum {WRITES} writes allowed per request")
    transforms: dict[str, int] = {}
    for write in writes:
        name = write.update.name or write.transform.document
        count = len(write.update_transforms) + len(write.transform.field_transforms)
        transforms[name] = transforms.get(name, 0) + count
    if any(count > TRANSFORMS for count in transforms.values()):
        raise invalid(f"at most {TRANSFORMS} field transforms of a document in a commit")


def check_name(name: str) -> None:
    """Refuse a name that no document can have."""
    segments = name.split("/")
    # projects/P/databases/D/documents, then collections and documents in turn
    if len(segments) < 7 or len(segments) % 2 == 0 or segments[4] != "documents":
        raise invalid(f"not a document name: {name}")
    if len(segments[5:]) // 2 > COLLECTION_DEPTH:
        raise invalid(f"collections are at most {COLLECTION_DEPTH} deep")
    if len(name.encode()) > NAME_BYTES:
        raise invalid("a document's name has at most 6 KiB")
    for segment in segments[5:]:
        if not segment or segment in (".", "..") or len(segment.encode()) > ID_BYTES:
            raise invalid("an id has 1 to 1500 bytes and is neither . nor ..")
        if segment.startswith("__") and segment.endswith("__"):
            raise invalid("ids that begin and end with __ are reserved")


def check_document(document: Any) -> None:
    """Refuse a document that is too large, too deep, or has a field that cannot be."""
    size = _text(*document.name.split("/")[5:]) + 16 + 32
    entries = 0
    for name, value in document.fields.items():
        if not name or (name.startswith("__") and name.endswith("__")):
            raise invalid("a field name is not empty, and not reserved")
        size += _text(name) + _checked(value, len(name.encode()), 0, in_list=False)
        entries += _entries(value)
    if size > DOCUMENT_BYTES:
        raise invalid("a document has at most 1,048,576 bytes")
    if entries > INDEX_ENTRIES:
        raise invalid("too many index entries for entity")


def _checked(value: Any, path: int, depth: int, *, in_list: bool) -> int:
    """The size of a value under a field path of so many bytes."""
    kind = value.WhichOneof("value_type")
    if path > FIELD_PATH_BYTES:
        raise invalid("a field path has at most 1500 bytes")
    if kind in ("array_value", "map_value") and depth >= DEPTH:
        raise invalid("maps and lists are at most 20 deep")
    if kind == "array_value":
        if in_list:
            raise invalid("Cannot convert an array value in an array value.")
        return sum(
            _checked(each, path, depth + 1, in_list=True) for each in value.array_value.values
        )
    if kind == "map_value":
        size = 32
        for name, each in value.map_value.fields.items():
            if len(name.encode()) > FIELD_NAME_BYTES:
                raise invalid("a field name has at most 1500 bytes")
            within = path + 1 + len(name.encode())
            size += _text(name) + _checked(each, within, depth + 1, in_list=False)
        return size
    size = _SIZES.get(kind) or _long(value, kind)
    if size > VALUE_BYTES:
        raise invalid(f"a field value has at most {VALUE_BYTES} bytes")
    return size


def _long(value: Any, kind: str) -> int:
    if kind == "bytes_value":
        return len(value.bytes_value)
    if kind == "reference_value":
        return _text(*value.reference_value.split("/")[5:]) + 16
    return _text(value.string_value)


def _entries(value: Any) -> int:
    """Entries in the automatic indexes: ascending and descending, and one for each element of a list."""
    kind = value.WhichOneof("value_type")
    if kind == "map_value":
        return 2 + sum(map(_entries, value.map_value.fields.values()))
    return 2 + (len(value.array_value.values) if kind == "array_value" else 0)


def _text(*texts: str) -> int:
    return sum(len(text.encode()) + 1 for text in texts)
