"""Commits: all writes of one, or none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.cloud.firestore_v1.types import firestore as messages

from tests.emulators.firestore.refusals import Refused, check_writes, invalid
from tests.emulators.firestore.writes import apply, name_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.emulators.firestore.documents import Documents
    from tests.emulators.firestore.faults import Faults

_Commit: Any = messages.CommitResponse.pb()
_Batch: Any = messages.BatchWriteResponse.pb()


class Commits:
    """Each is seen whole or not at all, in memory and on the disk."""

    def __init__(self, documents: Documents, faults: Faults) -> None:
        self._documents = documents
        self._faults = faults

    def commit(self, writes: Sequence[Any]) -> Any:
        """The `CommitResponse`; raises `Refused` with nothing written."""
        now = self._documents.tick()
        results, changes = self._apply(writes, now)
        self._documents.commit(changes, self._faults.half)
        for write in writes:
            deletes = write.WhichOneof("operation") == "delete"
            self._faults.counts.wrote(name_of(write), deletes=deletes)
        response = _Commit(write_results=results)
        response.commit_time.FromMicroseconds(now)
        return response

    def each(self, writes: Sequence[Any]) -> Any:
        """The `BatchWriteResponse`: each write succeeds or fails for itself."""
        response = _Batch()
        names = [name_of(write) for write in writes]
        if len(set(names)) < len(names):
            raise invalid("a document is written once in a BatchWrite")
        for write in writes:
            status = response.status.add()
            try:
                done = self.commit([write])
            except Refused as refused:
                status.code, status.message = refused.code.value[0], refused.text
                response.write_results.add()
            else:
                response.write_results.append(done.write_results[0])
        return response

    def _apply(self, writes: Sequence[Any], now: int) -> tuple[list[Any], dict[str, Any | None]]:
        check_writes(writes)
        results: list[Any] = []
        changes: dict[str, Any | None] = {}
        for write in writes:
            name = name_of(write)
            before = changes[name] if name in changes else self._documents.get(name)
            changes[name], result = apply(write, before, now)
            results.append(result)
            if (after := changes[name]) is not None:
                self._faults.check(after)
        return results, changes
