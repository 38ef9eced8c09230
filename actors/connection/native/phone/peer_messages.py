"""Peer messages: from this device to the account's phone, seen by nobody else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.connection.engine import SendError
from actors.connection.native.send.fanout import MAX_OUTRUN, Outrun
from actors.connection.native.send.outcomes import acknowledgement, told
from actors.connection.native.signal import prekey_bundles
from actors.connection.native.transport.nodes import Node

if TYPE_CHECKING:
    from actors.connection.native.identities.addresses import Address
    from actors.connection.native.identities.lid_mapping import People
    from actors.connection.native.send.fanout import Fanout
    from actors.connection.native.send.outbox import Departures
    from actors.connection.native.signal.agreement import Bundle
    from actors.connection.native.transport.socket import Socket
    from actors.connection.session.session import Session


class PeerMessages:
    """Sends to the phone by its number, as whatsmeow does (send.go, preparePeerMessageNode).

    The ratchet step is on disk before the bytes that used it leave.
    """

    def __init__(
        self,
        session: Session,
        people: People,
        socket: Socket,
        *,
        fanout: Fanout,
        departures: Departures,
        ack_timeout: float,
    ) -> None:
        self._session = session
        self._people = people
        self._socket = socket
        self._fanout = fanout
        self._departures = departures
        self._ack_timeout = ack_timeout

    async def send(self, number: str, message: bytes) -> None:
        """Send a message, not padded, under this id; done once WhatsApp has it. Raises `SendError`."""
        with self._socket.acknowledgement(number) as acknowledged:
            with told():
                await self._leave(number, message)
            await acknowledgement(acknowledged, self._ack_timeout)

    async def _leave(self, number: str, message: bytes) -> None:
        phone = self._people.account
        for _ in range(MAX_OUTRUN):
            found = await self._fanout.missing_bundles([phone])
            try:
                await self._departures.put(lambda: self._stanza(number, message, found))  # noqa: B023
            except Outrun:
                continue
            return
        raise SendError("session_lost")

    async def _stanza(
        self, number: str, message: bytes, found: dict[Address, Bundle | None]
    ) -> Node:
        phone = self._people.account
        encrypted = await self._fanout.encrypt_for(phone, message, {}, found)
        if encrypted is None:
            raise SendError("no_devices")
        parts = [Node("meta", {"appdata": "default"}), encrypted]
        if encrypted.attrs["type"] == "pkmsg":
            parts += prekey_bundles.device_identity(self._session.credentials.read())
        attrs = {"id": number, "to": str(phone), "type": "text", "category": "peer"}
        return Node("message", attrs, parts)
