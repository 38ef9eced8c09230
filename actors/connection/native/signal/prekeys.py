"""Uploads and rotates this client's prekeys on WhatsApp's server, and repairs differences from the session file's keys."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import structlog

from actors.connection.native.signal import prekey_bundles
from actors.connection.native.signal.device_sessions import new_signed_prekey
from actors.connection.protocol.request_errors import RequestFailed, RequestTimeout
from actors.connection.protocol.session_transactions import transaction
from actors.connection.protocol.wire_format.nodes import Node, iq

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.connection.native.signal.device_sessions import Signal
    from actors.connection.native.transport.socket import Socket
    from actors.connection.session.identities.credentials import Credentials
    from actors.connection.session.session import Session

log = structlog.get_logger()

UPLOADED_PREKEYS: Final = 812
"""Prekeys that a device keeps on the server; as many as WhatsApp's own web client uploads at first."""

FEW: Final = 300
"""Below this many on the server, the device uploads more."""

SIGNED_PREKEY_CHECK_SECONDS: Final = 3600.0
"""Seconds between two looks at the signed prekey's age."""

NO_KEYS_CODES: Final = frozenset({404, 406})
"""The server's codes for no keys of this device, or none that go together."""


class Prekeys:
    """Keeps enough prekeys on the server, and a signed one that is not too old.

    A private key is on disk before anybody can use its public one, and a signed prekey that was
    replaced serves those who fetched it before. A failure is logged: the next login tries again.
    `age` is in seconds.
    """

    def __init__(
        self,
        session: Session,
        signal: Signal,
        socket: Socket,
        age: float,
        clock: Callable[[], float],
    ) -> None:
        self._session = session
        self._signal = signal
        self._socket = socket
        self._age = age
        self._clock = clock
        self._busy = asyncio.Lock()

    async def at_login(self) -> None:
        """See that the server has the keys that this device has. Raises `ConnectionLost`."""
        await self.top_up()
        async with self._busy:
            if not await self._rotate_if_old():
                await self._compare()

    async def top_up(self) -> None:
        """Ask how many there are, and fill up where they are few. Raises `ConnectionLost`."""
        async with self._busy:
            try:
                count = await self._count()
                if count < FEW:
                    await self._upload(UPLOADED_PREKEYS - count)
            except (RequestFailed, RequestTimeout) as error:
                _log_failure(error)

    async def rotate(self) -> None:
        """Replace the signed prekey whenever it is too old, for ever. Raises `ConnectionLost`."""
        while True:
            await asyncio.sleep(min(SIGNED_PREKEY_CHECK_SECONDS, self._age))
            async with self._busy:
                await self._rotate_if_old()

    async def _rotate_if_old(self) -> bool:
        """Whether the server has a fresh signed prekey now."""
        own = self._session.credentials.read()
        if own is None:
            return False
        born = self._session.keys.signed_prekey_created(own.signed_prekey.id)
        if born is not None and self._clock() - born < self._age:
            return False
        fresh = replace(
            own, signed_prekey=new_signed_prekey(own.identity_private, own.signed_prekey.id + 1)
        )
        async with transaction(self._session, self._socket):
            self._session.credentials.save(fresh)
        try:
            await self._socket.request(prekey_bundles.rotation(fresh))
        except (RequestFailed, RequestTimeout) as error:
            # The server still hands out the old one, which serves; the next login compares.
            _log_failure(error)
            return False
        log.info("signed prekey replaced", action="prekeys.rotated")
        return True

    async def _compare(self) -> None:
        """Upload anew where the server's keys are not this device's."""
        own = self._session.credentials.read()
        if own is None:
            return
        try:
            try:
                reply = await self._socket.request(prekey_bundles.digest_query())
            except RequestFailed as refused:
                if refused.code not in NO_KEYS_CODES:
                    raise
            else:
                if self._agrees(reply, own):
                    return
            log.warning("server has other keys", action="prekeys.differ")
            await self._upload(UPLOADED_PREKEYS)
        except (RequestFailed, RequestTimeout) as error:
            _log_failure(error)

    def _agrees(self, reply: Node, own: Credentials) -> bool:
        listed = prekey_bundles.read_digest(reply)
        if listed is None:
            return True  # nothing was said
        if listed.signed_prekey_id != own.signed_prekey.id:
            return False
        digest = hashlib.sha1(usedforsecurity=False)
        for part in (own.identity_public, own.signed_prekey.public, own.signed_prekey.signature):
            digest.update(part)
        for number in listed.prekey_ids:
            prekey = self._session.keys.prekey(number)
            if prekey is None:
                return False
            digest.update(prekey.public)
        return digest.digest() == listed.hash

    async def _count(self) -> int:
        reply = await self._socket.request(iq("get", "encrypt", (Node("count"),)))
        count = reply.child("count")
        return (count.number("value") if count is not None else None) or 0

    async def _upload(self, number: int) -> None:
        own = self._session.credentials.read()
        if own is None:
            return
        # They are on disk before anybody can use one.
        async with transaction(self._session, self._socket):
            prekeys = self._signal.prekeys_to_publish(number)
        await self._socket.request(prekey_bundles.upload(own, prekeys))
        async with transaction(self._session, self._socket):
            self._signal.published([number for number, _ in prekeys])


def _log_failure(error: Exception) -> None:
    log.warning("prekeys not renewed", action="prekeys.failed", error=type(error).__name__)
