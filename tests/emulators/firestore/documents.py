"""The documents: all in memory, and each commit in SQLite before it is seen."""

from __future__ import annotations

import sqlite3
import time
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from google.cloud.firestore_v1.types import document as document_types

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

PbDocument: Any = document_types.Document.pb()

_SCHEMA = "CREATE TABLE IF NOT EXISTS documents (name TEXT PRIMARY KEY, document BLOB NOT NULL)"


class Documents:
    """Commits survive the process; an unfinished one leaves nothing."""

    def __init__(self, file: Path) -> None:
        self._database = sqlite3.connect(file, isolation_level=None)
        # A process that is killed keeps what it handed to the system; a power cut is no test here.
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = NORMAL")
        self._database.execute(_SCHEMA)
        self._documents: dict[str, Any] = {}
        self._collections: defaultdict[str, dict[str, Any]] = defaultdict(dict)
        self._now = 0
        for _, data in self._database.execute("SELECT name, document FROM documents"):
            self._keep(PbDocument.FromString(data))

    def get(self, name: str) -> Any | None:
        return self._documents.get(name)

    def within(self, parent: str, collection: str, *, descendants: bool) -> Iterator[Any]:
        """The documents of a collection; with `descendants` of all of that id below `parent`.

        An empty `collection` stands for all of them.
        """
        if collection and not descendants:
            yield from self._collections.get(f"{parent}/{collection}", {}).values()
            return
        for path, documents in self._collections.items():
            above, _, identity = path.rpartition("/")
            under = above == parent or (descendants and above.startswith(f"{parent}/"))
            if under and collection in ("", identity):
                yield from documents.values()

    def collections(self, parent: str) -> list[str]:
        """The ids of the collections right below `parent`, also of those with mere descendants."""
        start = f"{parent}/"
        found = {
            path[len(start) :].split("/")[0]
            for path, documents in self._collections.items()
            if documents and path.startswith(start)
        }
        return sorted(found)

    def missing(self, parent: str, collection: str) -> list[str]:
        """Names of documents that are not there themselves, but have something below them."""
        start = f"{parent}/{collection}/"
        found = {
            start + path[len(start) :].split("/")[0]
            for path, documents in self._collections.items()
            if documents and path.startswith(start)
        }
        return sorted(name for name in found if name not in self._documents)

    def tick(self) -> int:
        """The time of a commit or read in microseconds; each is later than the one before."""
        self._now = max(self._now + 1, time.time_ns() // 1000)
        return self._now

    def commit(self, changes: Mapping[str, Any | None], half: Callable[[], None]) -> None:
        """Store all changes, or none; None removes. `half` is called in the middle of it."""
        self._database.execute("BEGIN")
        try:
            for number, (name, changed) in enumerate(changes.items()):
                if 2 * number >= len(changes):
                    half()
                if changed is None:
                    self._database.execute("DELETE FROM documents WHERE name = ?", (name,))
                else:
                    self._database.execute(
                        "INSERT OR REPLACE INTO documents VALUES (?, ?)",
                        (name, changed.SerializeToString()),
                    )
            self._database.execute("COMMIT")
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        for name, changed in changes.items():
            if changed is not None:
                self._keep(changed)
            elif self._documents.pop(name, None) is not None:
                path, _, identity = name.rpartition("/")
                del self._collections[path][identity]

    def close(self) -> None:
        self._database.close()

    def _keep(self, document: Any) -> None:
        path, _, identity = document.name.rpartition("/")
        self._documents[document.name] = document
        self._collections[path][identity] = document
