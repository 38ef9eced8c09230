"""After the handshake: success, prekeys, and from passive to active."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import structlog

from actors.connection.native import bundles
from actors.connection.native.addresses import LID, Address, parse_optional
from actors.connection.native.committing import transaction
from actors.connection.native.nodes import Node
from actors.connection.native.socket import RequestFailed, RequestTimeout, iq

if TYPE_CHECKING:
    from actors.connection.native.people import People
    from actors.connection.native.signal import Signal
    from actors.connection.native.socket import Socket
    from actors.connection.session import Session

log = structlog.get_logger()

WANTED_PREKEYS: Final = 812
"""What a device keeps on the server; as many as WhatsApp's own web client uploads at first."""

FEW_PREKEYS: Final = 300
"""Below this many on the server, the device uploads more."""


class Prekeys:
    """Keeps enough prekeys on the server. A failure is logged: the next login tries again."""

    def __init__(self, session: Session, signal: Signal, socket: Socket) -> None:
        self._session = session
        self._signal = signal
        self._socket = socket
        self._busy = asyncio.Lock()

    async def top_up(self) -> None:
        """Ask how many there are, and fill up where they are few. Raises `ConnectionLost`."""
        async with self._busy:
            try:
                count = await self._count()
                if count < FEW_PREKEYS:
                    await self._upload(WANTED_PREKEYS - count)
            except (RequestFailed, RequestTimeout) as error:
                log.warning(
                    "prekeys not topped up", action="prekeys.failed", error=type(error).__name__
                )

    async def _count(self) -> int:
        reply = await self._socket.request(iq("get", "encrypt", (Node("count"),)))
        count = reply.child("count")
        return (count.number("value") if count is not None else None) or 0

    async def _upload(self, number: int) -> None:
        own = self._session.credentials()
        if own is None:
            return
        # They are on disk before anybody can use one.
        async with transaction(self._session, self._socket):
            prekeys = self._signal.prekeys_to_publish(number)
        await self._socket.request(bundles.upload(own, prekeys))
        async with transaction(self._session, self._socket):
            self._signal.published([number for number, _ in prekeys])


async def note_success(session: Session, people: People, socket: Socket, stanza: Node) -> None:
    """Keep what a ``<success>`` stanza tells about the account: its LID."""
    lid = parse_optional(stanza.attrs.get("lid"))
    own = session.credentials()
    if lid is None or lid.server != LID or own is None:
        return
    lid = Address(lid.user, lid.server, people.device.device)
    if own.lid == str(lid) and session.pn_for(str(lid.canonical)) == str(people.account):
        return
    async with transaction(session, socket):
        session.save_credentials(replace(own, lid=str(lid)))
        people.learn(people.device, lid)
    people.lid = lid


async def activate(socket: Socket) -> None:
    """Tell WhatsApp that the device takes part: from now on it gets what is new.

    Raises `ConnectionLost`; a refusal or silence is logged, since messages come nevertheless.
    """
    try:
        await socket.request(iq("set", "passive", (Node("active"),)))
    except (RequestFailed, RequestTimeout) as error:
        log.warning("not active", action="login.not_active", error=type(error).__name__)
