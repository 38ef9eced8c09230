"""Runs an unpaired device's socket: emits QR and pairing codes until a phone pairs; stores credentials (session file)."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import structlog
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from actors.connection.disconnects.causes import Cause, Kind
from actors.connection.engine import Qr
from actors.connection.native.pairing import qr_pairing
from actors.connection.native.pairing.code_pairing import CodePairing
from actors.connection.native.pairing.qr_pairing import Keys, PairingRefused
from actors.connection.protocol.identities.addresses import SERVER
from actors.connection.protocol.receive.receipts import ack
from actors.connection.protocol.session_transactions import transaction
from actors.connection.protocol.wire_format.nodes import Node
from actors.metrics.mistakes import log_mistake

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.connection.engine import EngineEvents
    from actors.connection.native.transport.socket import Socket
    from actors.connection.pairing_window import PairingWindow
    from actors.connection.session.identities.credentials import Credentials
    from actors.connection.session.session import Session

log = structlog.get_logger()


REFRESHES = ("companion_reg_refresh", "pair-device-rotate-qr")
"""Children of the notification that a new ADV secret is wanted (whatsapp-rust, companion_reg.rs)."""

OFFER_TIMEOUT = 30.0
"""Seconds from the handshake to WhatsApp's ``<pair-device>``."""


class UnpairedClient:
    """Pairs: the credentials are on disk before WhatsApp takes the device for paired (G7).

    `run` ends with `ConnectionLost`: WhatsApp asks for a new connection once the device is paired,
    and a new one is needed for new QR codes when all of them expired. Another demand of WhatsApp
    ends the pairing with a cause, in place of a scan that nothing follows.
    """

    def __init__(
        self,
        session: Session,
        socket: Socket,
        own: Credentials,
        events: EngineEvents,
        offering: PairingWindow,
    ) -> None:
        """`offering` gets the seconds for which WhatsApp waits for a phone."""
        self._session = session
        self._socket = socket
        self._own = own
        self._events = events
        self._offering = offering
        noise = X25519PrivateKey.from_private_bytes(own.noise_private)
        self._keys = Keys(
            noise_public=noise.public_key().public_bytes_raw(),
            identity_public=own.identity_public,
            identity_private=own.identity_private,
            adv_secret=own.adv_secret,
        )
        self.linking = CodePairing(socket, self._keys, events)
        self._showing: asyncio.Task[None] | None = None
        self._offered = False

    async def run(self) -> None:
        """Answer WhatsApp until the socket ends; without an offer that is soon (G8)."""
        late = asyncio.get_running_loop().call_later(OFFER_TIMEOUT, self._late)
        try:
            await self._answer()
        finally:
            late.cancel()

    async def _answer(self) -> None:
        while True:
            stanza = await self._socket.receive()
            if stanza.tag == "notification":
                await self._socket.send(ack(stanza))
                if (beyond := self._beyond(stanza)) is not None:
                    log.error("pairing ends", action="pairing.unsupported", cause=str(beyond))
                    await self._socket.close(Cause(beyond))
                await self.linking.handle(stanza)
            elif stanza.tag != "iq":
                continue
            elif stanza.child("pair-device") is not None:
                await self._offer(stanza)
            elif stanza.child("pair-success") is not None:
                await self._paired(stanza)
            elif stanza.attrs.get("type") == "get":
                await self._socket.send(_result(stanza))

    def _beyond(self, stanza: Node) -> Kind | None:
        """The cause that ends the pairing, where WhatsApp asks for what this engine cannot give."""
        if stanza.attrs.get("type") == "passkey_prologue_request":  # whatsmeow, pair-passkey.go
            return Kind.PASSKEY_REQUIRED
        # A code that was typed made a secret of its own: a new one for the QR is not waited for.
        refreshed = any(stanza.child(tag) is not None for tag in REFRESHES)
        return Kind.PAIRING_REFRESH if refreshed and self.linking.adv_secret is None else None

    async def close(self) -> None:
        """Show no more QR codes; the code to type is void as well."""
        self._offering.end()
        await self.linking.close()
        await self._hide()

    async def _hide(self) -> None:
        if self._showing is not None:
            self._showing.cancel()
            with suppress(asyncio.CancelledError):
                await self._showing

    def _late(self) -> None:
        if not self._offered:
            self._socket.fail(Cause(Kind.NETWORK, "no_offer"))

    async def _offer(self, stanza: Node) -> None:
        self._offered = True
        await self._socket.send(_result(stanza))
        await self._hide()
        codes = list(qr_pairing.qr_codes(stanza, self._keys))
        self._showing = asyncio.create_task(self._show(codes))
        if codes:
            self._offering.begin(sum(lifetime for _, lifetime in codes))

    async def _show(self, codes: Sequence[tuple[str, float]]) -> None:
        # Without a single code a new connection at once would be a tight loop.
        cause = Cause(Kind.NETWORK, "no_qr")
        try:
            for text, lifetime in codes:
                await self._events.on_qr(Qr(text, time.time() + lifetime))
                await asyncio.sleep(lifetime)
                cause = Cause(Kind.RESTART_REQUIRED, "qr_expired")
        except Exception as error:  # noqa: BLE001 - reported as the cause of the end
            log_mistake("no QR shown", "qr.failed", error)
            cause = Cause(Kind.NETWORK, "qr_failed")
        self._socket.fail(cause)

    async def _paired(self, stanza: Node) -> None:
        await self.close()
        try:
            keys = replace(self._keys, link_secret=self.linking.adv_secret)
            paired = qr_pairing.prove(stanza, keys)
        except PairingRefused as refused:
            log.error("pairing refused", action="pairing.refused", check=refused.code)  # noqa: TRY400
            await self._socket.send(refused.answer)
            self._socket.fail(Cause(Kind.NETWORK, f"pairing_{refused.code}"))
            return
        account = paired.device.canonical
        async with transaction(self._session, self._socket):
            self._session.credentials.save(
                replace(
                    self._own,
                    account=str(account),
                    device=str(paired.device),
                    lid=str(paired.lid) if paired.lid is not None else None,
                    device_identity=paired.device_identity,
                    account_signature_key=paired.account_key,
                    platform=paired.platform,
                    lid_migrated=paired.lid_migrated,
                    by_number_until=None,
                )
            )
            self._session.account_link.note()
            self._session.keys.save_identity(str(account), paired.account_key)
            if paired.lid is not None:
                self._session.learn_lid(str(paired.lid.canonical), str(account))
        await self._socket.send(paired.answer)
        await self._events.on_paired(str(account))


def _result(stanza: Node) -> Node:
    return Node("iq", {"to": SERVER, "type": "result", "id": stanza.attrs.get("id", "")})
