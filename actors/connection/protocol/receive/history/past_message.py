"""Defines one message of a history sync: WhatsApp's protobuf, with canonical chat and sender, id and time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from actors.connection.protocol.identities.addresses import Address


@dataclass(frozen=True, slots=True)
class Past:
    """One message of a history sync, by canonical addresses; `message` is WhatsApp's protobuf, `at` its seconds."""

    chat: Address
    sender: Address
    message_id: str
    at: int
    from_me: bool
    push_name: str | None
    message: Any
