"""Sends encrypted peer messages from this device to the account's phone alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.connection.engine import SendError
from actors.connection.native.send.pipeline import OutgoingStanza
from actors.connection.protocol.send.send_acks import send_errors
from actors.connection.protocol.wire_format.nodes import Node

if TYPE_CHECKING:
    from actors.connection.native.send.pipeline import SendPipeline
    from actors.connection.native.signal.key_agreement import Bundle
    from actors.connection.protocol.identities.addresses import Address
    from actors.connection.protocol.identities.lid_mapping import LidMapping


class PeerMessages:
    """Sends to the phone by its number, as whatsmeow does (send.go, preparePeerMessageNode).

    The ratchet step is on disk before the bytes that used it leave.
    """

    def __init__(self, people: LidMapping, pipeline: SendPipeline) -> None:
        self._people = people
        self._pipeline = pipeline

    async def send(self, number: str, message: bytes) -> None:
        """Send a message, not padded, under this id; done once WhatsApp has it. Raises `SendError`."""
        phone = self._people.account

        async def encrypt(found: dict[Address, Bundle | None]) -> Node:
            encrypted = await self._pipeline.fanout.encrypt_for(phone, message, {}, found)
            if encrypted is None:
                raise SendError("no_devices")
            attrs = {"id": number, "to": str(phone), "type": "text", "category": "peer"}
            identity = self._pipeline.device_identity([encrypted])
            parts = Node("meta", {"appdata": "default"}), encrypted, *identity
            return Node("message", attrs, parts)

        async def written() -> tuple[None, OutgoingStanza]:
            return None, OutgoingStanza([phone], encrypt)

        with self._pipeline.acknowledgement(number) as acknowledged:
            with send_errors():
                await self._pipeline.leave(phone, written)
            await self._pipeline.acknowledged(acknowledged)
