"""Outcomes of a stanza that was to be sent, in the words of the engine's port."""

from __future__ import annotations

import asyncio
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from actors.connection.engine import NotConnected, SendError
from actors.connection.limits.refusals import refused
from actors.connection.native.identities.devices import NotOnWhatsApp, OtherNumber
from actors.connection.native.identities.group_members import NotInGroup, UnknownGroup
from actors.connection.native.transport.socket import ConnectionLost, RequestFailed, RequestTimeout

if TYPE_CHECKING:
    from collections.abc import Iterator

    from actors.connection.native.transport.nodes import Node


@contextmanager
def told() -> Iterator[None]:
    """Turns failures before the message left into a `SendError`."""
    try:
        yield
    except OtherNumber:
        raise NotConnected from None  # earlier messages of that number's chat leave first (G4)
    except NotOnWhatsApp:
        raise SendError("not_on_whatsapp", permanent=True) from None
    except NotInGroup:
        raise SendError("not_in_group", permanent=True) from None
    except UnknownGroup:
        raise SendError("unknown_group", permanent=True) from None
    except RequestTimeout:
        raise SendError("whatsapp_timeout") from None
    except RequestFailed as failed:
        raise SendError(f"request_failed_{failed.code}") from None
    except ConnectionLost as lost:
        if lost.written:
            raise SendError("connection_lost", uncertain=True) from None
        raise NotConnected from None


async def acknowledgement(waiting: asyncio.Future[Node], within: float) -> Node:
    """The server's ack of a message that left, within so many seconds. Raises `SendError`."""
    try:
        async with asyncio.timeout(within):
            ack = await waiting
    except TimeoutError:
        raise SendError("ack_timeout", uncertain=True) from None
    except ConnectionLost:
        raise SendError("connection_lost", uncertain=True) from None
    if ack.attrs.get("error", "0") not in ("", "0"):
        # A word of the server's making is no stable code.
        raise refused(ack.number("error"), time.time())
    return ack
