"""The port: Firestore's calls over gRPC, and a call beside them that faults are asked for with."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import grpc
import grpc.aio
from google.cloud.firestore_v1.types import firestore as messages
from google.protobuf import empty_pb2

from tests.emulators.firestore.documents import Documents, PbDocument
from tests.emulators.firestore.faults import Faults
from tests.emulators.firestore.refusals import Refused, check_request
from tests.emulators.firestore.service import Service

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path

    from tests.emulators.firestore.indexes import Index

CONTROL = "teimoso.emulator.Control"

_UNARY: dict[str, tuple[str, Any, Any]] = {
    "BeginTransaction": (
        "begin_transaction",
        messages.BeginTransactionRequest.pb(),
        messages.BeginTransactionResponse.pb(),
    ),
    "Rollback": ("rollback", messages.RollbackRequest.pb(), empty_pb2.Empty),
    "Commit": ("commit", messages.CommitRequest.pb(), messages.CommitResponse.pb()),
    "BatchWrite": (
        "batch_write",
        messages.BatchWriteRequest.pb(),
        messages.BatchWriteResponse.pb(),
    ),
    "GetDocument": ("get_document", messages.GetDocumentRequest.pb(), PbDocument),
    "ListDocuments": (
        "list_documents",
        messages.ListDocumentsRequest.pb(),
        messages.ListDocumentsResponse.pb(),
    ),
    "ListCollectionIds": (
        "list_collection_ids",
        messages.ListCollectionIdsRequest.pb(),
        messages.ListCollectionIdsResponse.pb(),
    ),
}
_STREAMS: dict[str, tuple[str, Any, Any]] = {
    "BatchGetDocuments": (
        "batch_get_documents",
        messages.BatchGetDocumentsRequest.pb(),
        messages.BatchGetDocumentsResponse.pb(),
    ),
    "RunQuery": ("run_query", messages.RunQueryRequest.pb(), messages.RunQueryResponse.pb()),
    "RunAggregationQuery": (
        "run_aggregation_query",
        messages.RunAggregationQueryRequest.pb(),
        messages.RunAggregationQueryResponse.pb(),
    ),
}


async def serve(port: int, file: Path, indexes: Sequence[Index] | None) -> None:
    """Serve on loopback until the process ends."""
    faults = Faults()
    service = Service(Documents(file), faults, indexes)
    # A port that another server has is an error, not shared with it.
    server = grpc.aio.server(
        options=[
            ("grpc.so_reuseport", 0),
            ("grpc.max_receive_message_length", -1),
            ("grpc.max_send_message_length", -1),
        ]
    )
    handlers: dict[str, Any] = {}
    for method, (name, request, response) in _UNARY.items():
        handlers[method] = grpc.unary_unary_rpc_method_handler(
            _unary(faults, method, getattr(service, name)),
            request.FromString,
            response.SerializeToString,
        )
    for method, (name, request, response) in _STREAMS.items():
        handlers[method] = grpc.unary_stream_rpc_method_handler(
            _stream(faults, method, getattr(service, name)),
            request.FromString,
            response.SerializeToString,
        )
    handlers["Listen"] = grpc.stream_stream_rpc_method_handler(
        _stream(faults, "Listen", service.listen),
        messages.ListenRequest.pb().FromString,
        messages.ListenResponse.pb().SerializeToString,
    )

    async def control(request: bytes, _: Any) -> bytes:
        return json.dumps(faults.command(json.loads(request))).encode()

    server.add_generic_rpc_handlers(
        (
            grpc.method_handlers_generic_handler("google.firestore.v1.Firestore", handlers),
            grpc.method_handlers_generic_handler(
                CONTROL, {"Do": grpc.unary_unary_rpc_method_handler(control)}
            ),
        )
    )
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    await server.wait_for_termination()


def _unary(faults: Faults, method: str, run: Callable[[Any], Any]) -> Callable[..., Any]:
    async def call(request: Any, context: Any) -> Any:
        try:
            await faults.before(method)
            check_request(request)
            response = await run(request)
            await faults.after(method)
        except Refused as refused:
            await context.abort(refused.code, refused.text)
        return response

    return call


def _stream(faults: Faults, method: str, run: Callable[[Any], Any]) -> Callable[..., Any]:
    async def call(request: Any, context: Any) -> AsyncIterator[Any]:
        try:
            await faults.before(method)
            if method != "Listen":  # a stream of requests
                check_request(request)
            async for response in run(request):
                yield response
            await faults.after(method)
        except Refused as refused:
            await context.abort(refused.code, refused.text)

    return call
