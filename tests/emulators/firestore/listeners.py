"""Listeners: each gets the result of its query, and then each change of it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from google.cloud.firestore_v1.types import firestore as messages

from tests.emulators.firestore import queries

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from tests.emulators.firestore.documents import Documents

_Response: Any = messages.ListenResponse.pb()
_Change: Any = messages.TargetChange.TargetChangeType


@dataclass(slots=True)
class _Target:
    identity: int
    find: Callable[[], dict[str, Any]]
    known: dict[str, Any] = field(default_factory=dict)


class Listener:
    """One stream. `look` is called after each commit."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents
        self._targets: dict[int, _Target] = {}
        self._out: asyncio.Queue[Any] = asyncio.Queue()

    async def listen(self, requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
        """Answers until the caller hangs up."""
        hearing = asyncio.create_task(self._hear(requests))
        try:
            while (response := await self._out.get()) is not None:
                yield response
        finally:
            hearing.cancel()

    def look(self) -> None:
        changed = False
        for target in self._targets.values():
            changed = self._tell(target) or changed
        if changed:
            self._say(_Change.NO_CHANGE)

    async def _hear(self, requests: AsyncIterator[Any]) -> None:
        try:
            async for request in requests:
                if request.WhichOneof("target_change") == "add_target":
                    self._add(request.add_target)
                else:
                    self._targets.pop(request.remove_target, None)
                    self._say(_Change.REMOVE, request.remove_target)
        finally:
            self._out.put_nowait(None)

    def _add(self, asked: Any) -> None:
        target = _Target(asked.target_id, self._finder(asked))
        self._targets[target.identity] = target
        self._say(_Change.ADD, target.identity)
        if asked.WhichOneof("resume_type") is not None:
            # The changes since are unknown: the whole result is sent again.
            self._say(_Change.RESET, target.identity)
        self._tell(target)
        self._say(_Change.CURRENT, target.identity)
        self._say(_Change.NO_CHANGE)

    def _finder(self, asked: Any) -> Callable[[], dict[str, Any]]:
        if asked.WhichOneof("target_type") == "query":
            parent, query = asked.query.parent, asked.query.structured_query
            return lambda: {
                each.name: each for each in queries.find(self._documents, parent, query)
            }
        names = list(asked.documents.documents)
        return lambda: {
            name: found for name in names if (found := self._documents.get(name)) is not None
        }

    def _tell(self, target: _Target) -> bool:
        """Sends the changes since the last report; returns whether there were any."""
        known, target.known = target.known, target.find()
        changed = False
        for name, document in target.known.items():
            before = known.get(name)
            if before is None or before.update_time != document.update_time:
                response = _Response()
                response.document_change.document.CopyFrom(document)
                response.document_change.target_ids.append(target.identity)
                self._out.put_nowait(response)
                changed = True
        for name in known.keys() - target.known.keys():
            gone = _Response()
            part = "document_delete" if self._documents.get(name) is None else "document_remove"
            getattr(gone, part).document = name
            getattr(gone, part).removed_target_ids.append(target.identity)
            self._out.put_nowait(gone)
            changed = True
        return changed

    def _say(self, change: Any, *targets: int) -> None:
        response = _Response()
        response.target_change.target_change_type = change
        response.target_change.target_ids.extend(targets)
        now = self._documents.tick()
        response.target_change.read_time.FromMicroseconds(now)
        if change in (_Change.CURRENT, _Change.NO_CHANGE):
            response.target_change.resume_token = now.to_bytes(8, "big")
        self._out.put_nowait(response)
