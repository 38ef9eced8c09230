"""Implements the documents interface of the state store on Google's Firestore, for instances of any size.

Loaded where Firestore is chosen, and only there: it takes 30 MB.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import random
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import structlog
from google.api_core import exceptions
from google.auth.exceptions import GoogleAuthError
from google.cloud.firestore_v1.types import firestore as messages
from google.cloud.firestore_v1.types import write as write_types

from actors.runtime.backoff import backoff
from actors.state.documents import (
    EVENT_LOG,
    HEAD,
    Page,
    StoreAway,
    Write,
    WriteRefused,
    check_batch,
)
from actors.state.events.outbox import is_wanted, packed
from actors.state.fields import is_ahead, merge
from actors.state.firestore.channel import open_client
from actors.state.firestore.values import decode, encode, paths, query
from actors.state.queries import Request, check_address, check_field

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from actors.config.settings import Settings
    from actors.state.documents import Change, Cursor, Document, Order, Where
    from actors.state.events.event import Event

log = structlog.get_logger()

FIRESTORE_SECONDS = 5.0
"""Within which every call has its answer or raises `StoreAway`, retries included."""

TRANSACTION_TRIES = 12
"""Of a transaction that others get in the way of, as far as `FIRESTORE_SECONDS` allows."""
COLLIDED_BASE, COLLIDED_CAP = 0.02, 1.0
QUOTA_BASE, QUOTA_CAP = 1.0, 20.0
"""Seconds for which nothing is asked after the quota was exceeded; doubles each time in a row."""

# The plain messages: the client's own wrappers are many times slower.
_Got: Any = messages.BatchGetDocumentsResponse
_Found: Any = messages.RunQueryResponse
_Get: Any = messages.BatchGetDocumentsRequest.pb()
_Run: Any = messages.RunQueryRequest.pb()
_Commit: Any = messages.CommitRequest.pb()
_Rollback: Any = messages.RollbackRequest.pb()
_Wire: Any = write_types.Write.pb()

_MISTAKES = (exceptions.InvalidArgument, exceptions.OutOfRange)


class FirestoreDocuments:
    """The documents port on Firestore; a call's writes are durable there when it returns.

    Nothing is asked twice but what collided: whether a write arrived whose answer got lost the
    caller has to find out by repeating it. After an exceeded quota all calls raise
    `StoreAway` at once for a while, longer each time, so that what is left of it is not eaten up
    by asking.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._database = (
            f"projects/{settings.firestore_project}/databases/{settings.firestore_database}"
        )
        self._root = f"{self._database}/documents"
        self._metadata = [("google-cloud-resource-prefix", self._database)]
        if settings.firestore_emulator_host is not None:
            # An emulator accepts this token from all clients.
            self._metadata.append(("authorization", "Bearer owner"))
        self._client: Any = None
        self._opening = asyncio.Lock()
        self._collided = asyncio.Lock()
        self._exceeded = 0
        self._quota_at = 0.0
        self._calls = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._closed = False
        self._unindexed = False

    @property
    def billed(self) -> bool:
        return True

    async def get(self, collection: str, id: str) -> Document | None:  # noqa: A002
        check_address(collection, id)
        name = self._name(collection, id)
        async with self._calling() as client:
            found, _ = await self._read(client, [name])
        return None if found[name] is None else decode(found[name])

    async def set(
        self,
        collection: str,
        id: str,  # noqa: A002
        data: Mapping[str, Any],
        *,
        merge: bool = False,
    ) -> None:
        await self.batch([Write("merge" if merge else "set", collection, id, data)])

    async def create(self, collection: str, id: str, data: Mapping[str, Any]) -> bool:  # noqa: A002
        check_address(collection, id)
        wire = _Wire(update=encode(self._name(collection, id), data))
        wire.current_document.exists = False
        async with self._calling(writes=True) as client:
            try:
                await self._commit(client, [wire])
            except exceptions.AlreadyExists:
                return False
        return True

    async def change(self, collection: str, id: str, change: Change) -> Document | None:  # noqa: A002
        step = _Step(self, Write("change", collection, id, change=change))
        async with self._calling(writes=True) as client:
            after = await self._transact(client, [step])
        found = after[step.name]
        return None if found is None else decode(found)

    async def delete(self, collection: str, id: str) -> None:  # noqa: A002
        await self.batch([Write("delete", collection, id)])

    async def batch(self, writes: Sequence[Write]) -> None:
        check_batch(writes)
        steps = [_Step(self, write) for write in writes]
        if not steps:
            return
        async with self._calling(writes=True) as client:
            if all(step.blind for step in steps):
                await self._commit(client, [step.wire() for step in steps])
            else:
                await self._transact(client, steps)

    async def query(
        self,
        collection: str,
        *,
        where: Sequence[Where] = (),
        order: Sequence[Order] = (),
        limit: int | None = None,
        most_bytes: int | None = None,
        after: Cursor | None = None,
    ) -> Page:
        request = Request.of(collection, where, order, limit, after)
        run = _Run(parent=self._root, structured_query=query(self._root, request))
        async with self._calling() as client:
            found, more = await self._find(client, run, limit, most_bytes)
        items = [decode(document) for document in found]
        return Page(items, request.cursor(items[-1]) if more else None)

    async def close(self) -> None:
        self._closed = True
        await self._idle.wait()
        client, self._client = self._client, None
        if client is not None:
            await client.transport.close()

    def _name(self, collection: str, identity: str) -> str:
        return f"{self._root}/{collection}/{identity}"

    @asynccontextmanager
    async def _calling(self, *, writes: bool = False) -> AsyncIterator[Any]:
        """The client, for one call of the port: within bounded time, in the port's own errors."""
        if self._closed:
            raise StoreAway("the store is closed")
        if self._exceeded and asyncio.get_running_loop().time() < self._quota_at:
            raise StoreAway("quota exceeded")
        self._calls += 1
        self._idle.clear()
        try:
            async with asyncio.timeout(FIRESTORE_SECONDS):
                yield await self._opened()
        except exceptions.ResourceExhausted:
            self._exceed()
            raise StoreAway("quota exceeded") from None
        except _MISTAKES:
            # Its text could quote what was to be stored.
            raise (WriteRefused if writes else ValueError)("Firestore does not take this") from None
        except TimeoutError:
            raise StoreAway("no answer in time") from None
        except exceptions.FailedPrecondition:
            self._report_unindexed()
            raise StoreAway("an index is missing") from None
        except (exceptions.GoogleAPIError, GoogleAuthError, OSError) as error:
            raise StoreAway(type(error).__name__) from None
        else:
            self._exceeded = 0
        finally:
            self._calls -= 1
            if not self._calls:
                self._idle.set()

    async def _opened(self) -> Any:
        async with self._opening:
            if self._client is None:
                self._client = await open_client(self._settings)
            return self._client

    def _exceed(self) -> None:
        now = asyncio.get_running_loop().time()
        if now < self._quota_at:
            return  # calls that were on their way together are one refusal
        self._exceeded += 1
        pause = backoff(self._exceeded, QUOTA_BASE, QUOTA_CAP, random.random(), floor=0.5)  # noqa: S311 - spread only
        self._quota_at = now + pause
        log.warning("quota exceeded", action="store_quota", seconds=round(pause, 1))

    def _report_unindexed(self) -> None:
        if not self._unindexed:
            self._unindexed = True
            log.error("an index is missing: deploy firestore.indexes.json", action="store_index")

    async def _read(
        self, client: Any, names: Sequence[str], *, transaction: bool = False
    ) -> tuple[dict[str, Any], bytes]:
        """The documents by name, and the transaction that was begun."""
        request = _Get(database=self._database, documents=names)
        if transaction:
            request.new_transaction.read_write.SetInParent()
        found: dict[str, Any] = dict.fromkeys(names)
        begun = b""
        async for wrapped in await self._request(client.batch_get_documents, request):
            response = _Got.pb(wrapped)
            begun = begun or response.transaction
            if response.WhichOneof("result") == "found":
                found[response.found.name] = response.found
        return found, begun

    async def _find(
        self, client: Any, request: Any, limit: int | None, most_bytes: int | None
    ) -> tuple[list[Any], bool]:
        """The documents that a page has room for, and whether there are more."""
        found: list[Any] = []
        size = 0
        stream = await self._request(client.run_query, request)
        async for wrapped in stream:
            response = _Found.pb(wrapped)
            if response.HasField("document"):
                if len(found) == limit or (most_bytes is not None and size >= most_bytes):
                    stream.cancel()
                    return found, True
                size += response.document.ByteSize()
                found.append(response.document)
        return found, False

    async def _commit(self, client: Any, writes: Sequence[Any], transaction: bytes = b"") -> None:
        request = _Commit(database=self._database, writes=writes, transaction=transaction)
        await self._request(client.commit, request)

    async def _request(self, method: Any, request: Any) -> Any:
        # Neither a retry nor a deadline of the client's own: both outlast what they are given.
        return await method(request, retry=None, timeout=FIRESTORE_SECONDS, metadata=self._metadata)

    async def _transact(self, client: Any, steps: Sequence[_Step]) -> dict[str, Any]:
        """Read, decide and write in one transaction; return the documents afterwards, by name."""
        try:
            return await self._attempt(client, steps)
        except exceptions.Aborted:
            pass
        # Transactions of one process that collide wait for their turn, so that each turn can succeed.
        async with self._collided:
            for failures in range(1, TRANSACTION_TRIES):
                pause = backoff(failures, COLLIDED_BASE, COLLIDED_CAP, random.random(), floor=0.0)  # noqa: S311 - spread only
                await asyncio.sleep(pause)
                with contextlib.suppress(exceptions.Aborted):
                    return await self._attempt(client, steps)
        raise StoreAway("others write the same without a pause")

    async def _attempt(self, client: Any, steps: Sequence[_Step]) -> dict[str, Any]:
        names = list(dict.fromkeys(step.name for step in steps))
        head = self._name(EVENT_LOG, HEAD)
        if any(step.has_events for step in steps) and head not in names:
            names.append(head)
        before, transaction = await self._read(client, names, transaction=True)
        try:
            # Documents of a megabyte are read and written anew by each step.
            after = await asyncio.to_thread(self._applied, steps, before, before.get(head))
        except BaseException:
            await self._roll_back(client, transaction)
            raise
        # Each document is written once at most, and only if it is another one then: each is billed.
        writes = [
            _Wire(delete=name) if after[name] is None else _Wire(update=after[name])
            for name in after
            if not _same(before.get(name), after[name])
        ]
        await self._commit(client, writes, transaction)
        return after

    def _applied(
        self, steps: Sequence[_Step], before: Mapping[str, Any], head: Any | None
    ) -> dict[str, Any]:
        """The documents after these steps, and those of their events, by name."""
        after = dict(before)
        events: list[Event] = []
        now = time.time()
        log_head = None if head is None else decode(head)
        wanted = is_wanted(log_head)
        for step in steps:
            there = after[step.name]
            after[step.name] = step.apply(there)
            if wanted:
                events += step.events(there, after[step.name])
        for collection, identity, data in packed(log_head, events, now):
            name = self._name(collection, identity)
            after[name] = encode(name, data)
        return after

    async def _roll_back(self, client: Any, transaction: bytes) -> None:
        request = _Rollback(database=self._database, transaction=transaction)
        with contextlib.suppress(exceptions.GoogleAPIError):  # it ends by itself, too
            await self._request(client.rollback, request)


class _Step:
    """One write of a batch. Raises `ValueError` when it is made, early."""

    def __init__(self, documents: FirestoreDocuments, write: Write) -> None:
        check_address(write.collection, write.id)
        self._write = write
        self.name = documents._name(write.collection, write.id)  # noqa: SLF001 - its own part
        self.has_events = write.events is not None
        self.blind = write.op in ("set", "merge", "delete") and not self.has_events
        """Whether it needs not be known what is there."""
        # The caller may go on changing its data.
        self._data: Any = copy.deepcopy(write.data) if write.op in ("merge", "advance") else {}
        self._encoded = encode(self.name, write.data)
        if write.op == "advance":
            if not write.by:
                raise ValueError("an advance names the fields that decide")
            for field in write.by:
                check_field(field)

    def wire(self) -> Any:
        """The write that needs no reading before it."""
        if self._write.op == "delete":
            return _Wire(delete=self.name)
        made = _Wire(update=self._encoded)
        if self._write.op == "merge":
            made.update_mask.field_paths.extend(paths(self._data))
            made.update_mask.SetInParent()
        return made

    def apply(self, there: Any | None) -> Any | None:
        """The document afterwards, None for none."""
        match self._write.op:
            case "delete":
                return None
            case "set":
                return self._encoded
            case "create":
                return self._encoded if there is None else there
            case "advance":
                return self._advance(there)
            case "merge":
                before = {} if there is None else decode(there)
                return encode(self.name, merge(before, self._data))
        assert self._write.change is not None, "a change without its function"
        changed = self._write.change(None if there is None else decode(there))
        return there if changed is None else encode(self.name, changed)

    def events(self, before: Any | None, after: Any | None) -> Sequence[Event]:
        """Return the events of the write, having made `after` of `before`."""
        if self._write.events is None or _same(before, after):
            return ()
        return self._write.events(
            None if before is None else decode(before), None if after is None else decode(after)
        )

    def _advance(self, there: Any | None) -> Any | None:
        if there is None:
            return self._encoded
        before = decode(there)
        if is_ahead(before, self._data, self._write.by):
            return there
        kept = {name: before[name] for name in self._write.keep if before.get(name) is not None}
        return encode(self.name, {**self._data, **kept}) if kept else self._encoded


def _same(before: Any | None, after: Any | None) -> bool:
    if before is None or after is None:
        return before is after
    return before is after or bool(before.fields == after.fields)
