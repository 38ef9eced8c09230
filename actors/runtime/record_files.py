"""Writes and reads small JSON files with lists of records in the data directory, for other processes of the host."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar

from actors.runtime.atomic_files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


class JsonRecord(Protocol):
    """A dataclass whose fields JSON has types for."""

    __dataclass_fields__: ClassVar[dict[str, Any]]


R = TypeVar("R", bound=JsonRecord)


class RecordFile(Generic[R]):
    """A reader gets the last list that was written, never a half.

    A file that is missing, damaged or by another release is an empty list.
    """

    def __init__(self, record: type[R], path: Path) -> None:
        """`path` begins at the data directory."""
        self._record = record
        self.path = path

    def write(self, data: Path, records: Iterable[R], *, synced: bool = True) -> None:
        """Replace the list in the data directory `data`, without fields that have their default.

        Not `synced`, a power cut may leave an empty list. Raises OSError, and then the file is as it was.
        """
        target = data / self.path
        target.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps([*map(_plain, records)], indent=1)
        write_atomically(target, text, synced=synced)

    def read(self, data: Path) -> list[R]:
        """Return the records in the data directory `data`."""
        try:
            return [self._record(**plain) for plain in json.loads((data / self.path).read_text())]
        except (OSError, ValueError, TypeError):
            return []


def _plain(record: JsonRecord) -> dict[str, Any]:
    """Return the fields of a record but those that have their default."""
    values = ((field, getattr(record, field.name)) for field in dataclasses.fields(record))
    return {field.name: value for field, value in values if value != field.default}
