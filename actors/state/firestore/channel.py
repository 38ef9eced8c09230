"""Opens the gRPC channel to Firestore with address, credentials and keepalive."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import google.auth
import grpc.aio
from google.cloud.firestore_v1.services.firestore import FirestoreAsyncClient
from google.cloud.firestore_v1.services.firestore.transports import (
    FirestoreGrpcAsyncIOTransport as Transport,
)

if TYPE_CHECKING:
    from actors.config.settings import Settings

OPTIONS = (
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.keepalive_time_ms", 30_000),
    # gRPC would wait up to two minutes before it tries a server again that was away.
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    # The time of one try: a server far away needs several round trips for it.
    ("grpc.min_reconnect_backoff_ms", 5_000),
)


async def open_client(settings: Settings) -> FirestoreAsyncClient:
    """The client; nothing is asked of the server yet. Raises `GoogleAuthError`."""
    channel: Any
    if settings.firestore_emulator_host is not None:
        channel = grpc.aio.insecure_channel(settings.firestore_emulator_host, options=OPTIONS)
    else:
        # Finding credentials may ask a metadata server, and blocks.
        credentials, _ = await asyncio.to_thread(google.auth.default, scopes=Transport.AUTH_SCOPES)
        channel = Transport.create_channel(
            Transport.DEFAULT_HOST, credentials=credentials, options=OPTIONS
        )
    return FirestoreAsyncClient(transport=Transport(channel=channel))
