"""The calls of `google.firestore.v1.Firestore`, each as thin as it can be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.cloud.firestore_v1.types import firestore as messages
from google.protobuf import empty_pb2

from tests.emulators.firestore import indexes as indexing
from tests.emulators.firestore import queries
from tests.emulators.firestore.commits import Commits
from tests.emulators.firestore.listeners import Listener
from tests.emulators.firestore.refusals import Code, Refused, check_name, invalid
from tests.emulators.firestore.transactions import Transactions

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from tests.emulators.firestore.documents import Documents
    from tests.emulators.firestore.faults import Faults
    from tests.emulators.firestore.indexes import Index


def _pb(message: Any) -> Any:
    return message.pb()


_Begun = _pb(messages.BeginTransactionResponse)
_Got = _pb(messages.BatchGetDocumentsResponse)
_Found = _pb(messages.RunQueryResponse)
_Summed = _pb(messages.RunAggregationQueryResponse)
_Listed = _pb(messages.ListDocumentsResponse)
_Collections = _pb(messages.ListCollectionIdsResponse)


class Service:
    """Answers after the commit. All calls run on one event loop, so that none observes half of another."""

    def __init__(
        self, documents: Documents, faults: Faults, indexes: Sequence[Index] | None
    ) -> None:
        """Without `indexes` every query is served."""
        self._documents = documents
        self._faults = faults
        self._indexes = None if indexes is None else list(indexes)
        self._transactions = Transactions(documents)
        self._commits = Commits(documents, faults)
        self._listeners: set[Listener] = set()

    async def begin_transaction(self, request: Any) -> Any:
        return _Begun(transaction=self._transactions.begin(request.options))

    async def rollback(self, request: Any) -> Any:
        self._transactions.roll_back(request.transaction)
        return empty_pb2.Empty()

    async def commit(self, request: Any) -> Any:
        if request.transaction:
            self._transactions.end(request.transaction, writes=bool(request.writes))
        response = self._commits.commit(request.writes)
        self._tell()
        return response

    async def batch_write(self, request: Any) -> Any:
        response = self._commits.each(request.writes)
        self._tell()
        return response

    async def get_document(self, request: Any) -> Any:
        check_name(request.name)
        found = self._documents.get(request.name)
        self._faults.counts.read(1)
        if found is None:
            raise Refused(Code.NOT_FOUND, f"Document not found: {request.name}")
        return found

    async def batch_get_documents(self, request: Any) -> AsyncIterator[Any]:
        transaction = self._transaction(request)
        if request.WhichOneof("consistency_selector") == "new_transaction":
            yield self._read(_Got(transaction=transaction))
        self._faults.counts.read(len(request.documents))
        for name in request.documents:
            check_name(name)
            found = self._documents.get(name)
            if transaction:
                self._transactions.saw(transaction, name, found)
            if found is None:
                yield self._read(_Got(missing=name))
                continue
            if request.HasField("mask"):
                found = queries.masked(found, request.mask.field_paths)
            yield self._read(_Got(found=found))

    async def run_query(self, request: Any) -> AsyncIterator[Any]:
        transaction = self._transaction(request)
        if request.WhichOneof("consistency_selector") == "new_transaction":
            yield self._read(_Found(transaction=transaction))
        query = request.structured_query
        found = self._find(request.parent, query, transaction)
        for document in found:
            yield self._read(_Found(document=queries.project(document, query)))
        if not found:
            yield self._read(_Found())

    async def run_aggregation_query(self, request: Any) -> AsyncIterator[Any]:
        asked = request.structured_aggregation_query
        found = self._find(request.parent, asked.structured_query, self._transaction(request))
        response = self._read(_Summed())
        for aggregation in asked.aggregations:
            fields = response.result.aggregate_fields
            fields[aggregation.alias].CopyFrom(queries.aggregate(found, aggregation))
        yield response

    async def list_documents(self, request: Any) -> Any:
        parent, collection = request.parent, request.collection_id
        there = list(self._documents.within(parent, collection, descendants=False))
        named = {document.name: document for document in there}
        self._faults.counts.read(len(there))
        if request.show_missing:
            for name in self._documents.missing(parent, collection):
                named[name] = type(there[0] if there else _Got().found)(name=name)
        names = sorted(name for name in named if name > request.page_token)
        size = request.page_size or len(names)
        response = _Listed(next_page_token=names[size - 1] if len(names) > size else "")
        for name in names[:size]:
            masked = request.HasField("mask")
            document = named[name]
            shown = queries.masked(document, request.mask.field_paths) if masked else document
            response.documents.append(shown)
        return response

    async def list_collection_ids(self, request: Any) -> Any:
        return _Collections(collection_ids=self._documents.collections(request.parent))

    async def listen(self, requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
        listener = Listener(self._documents)
        self._listeners.add(listener)
        try:
            async for response in listener.listen(requests):
                yield response
        finally:
            self._listeners.discard(listener)

    def _find(self, parent: str, query: Any, transaction: bytes) -> list[Any]:
        if self._indexes is not None:
            indexing.check(query, self._indexes)
        found = queries.find(self._documents, parent, query)
        self._faults.counts.read(len(found))
        if transaction:
            self._transactions.found(transaction, parent, query, found)
        return found

    def _transaction(self, request: Any) -> bytes:
        """The transaction that the request reads in, begun where it asks for that."""
        match request.WhichOneof("consistency_selector"):
            case "new_transaction":
                return self._transactions.begin(request.new_transaction)
            case "transaction":
                self._transactions.get(request.transaction)
                return bytes(request.transaction)
            case "read_time":
                raise invalid("there is no history here")
        return b""

    def _read(self, response: Any) -> Any:
        response.read_time.FromMicroseconds(self._documents.tick())
        return response

    def _tell(self) -> None:
        for listener in self._listeners:
            listener.look()
