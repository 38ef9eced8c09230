"""Fetches prekey bundles of devices without a Signal session; encrypts a plaintext for one device, as an `<enc>` node."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import structlog

from actors.connection.native.signal import prekey_bundles
from actors.connection.native.signal.device_sessions import NoSession
from actors.connection.native.signal.key_agreement import BadSignature, Bundle
from actors.connection.protocol.receive import wrappers
from actors.connection.protocol.wire_format.nodes import Node

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from actors.connection.native.signal.device_sessions import Signal
    from actors.connection.native.transport.socket import Socket
    from actors.connection.protocol.identities.addresses import Address
    from actors.connection.protocol.identities.lid_mapping import LidMapping
    from actors.connection.session.session import Session

log = structlog.get_logger()

MAX_OUTRUN: Final = 3
"""Times that a send starts over because a session went while its keys were asked for."""

UNREACHABLE_SECONDS: Final = 60.0
"""Seconds for which a device without a bundle is left alone before it is asked for again."""


class Outrun(Exception):  # noqa: N818 - reads as what it is
    """A session that was there is gone: its owner set up the phone anew meanwhile."""


class Fanout:
    """Encrypts for single devices, with sessions set up as they are needed."""

    def __init__(
        self, session: Session, signal: Signal, people: LidMapping, socket: Socket
    ) -> None:
        self._session = session
        self._signal = signal
        self._people = people
        self._socket = socket
        self._unreachable: dict[Address, float] = {}

    def name(self, device: Address) -> str:
        """The address that the device's sessions are kept under."""
        return str(self._people.session_address(device))

    async def missing_bundles(
        self, devices: Sequence[Address], *, leave_alone: bool = False
    ) -> dict[Address, Bundle | None]:
        """The devices that there is no session with, and their bundles as far as they have any.

        They are named as their sessions are, by whatever address they are asked for. One of the account's own that has none is left alone for a while; so is anybody's with
        `leave_alone`, where others get the message all the same.
        """
        now = time.monotonic()
        missing = {
            address: device
            for device in devices
            if (address := self._people.session_address(device)) != self._people.device
            and not self._signal.has_session(str(address))
        }
        requested = [address for address in missing if self._unreachable.get(address, 0.0) <= now]
        found: dict[Address, Bundle | None] = dict.fromkeys(missing)
        if requested:
            query = prekey_bundles.query(missing[address] for address in requested)
            bundles = prekey_bundles.answer(await self._socket.request(query))
            # An answer may name a device by either address.
            found |= {self._people.session_address(device): one for device, one in bundles.items()}
        for device in requested:
            if found[device] is None and (leave_alone or self._people.is_account(device)):
                self._unreachable[device] = now + UNREACHABLE_SECONDS
        return found

    async def encrypt_for(
        self,
        device: Address,
        plaintext: bytes,
        words: Mapping[str, str],
        found: dict[Address, Bundle | None],
    ) -> Node | None:
        """The ``<enc>`` for one device; None where there is no way to encrypt for it.

        Raises `Outrun` where nobody looked for one: the device would miss the message.
        """
        address = self._people.session_address(device)
        name = str(address)
        if address in found and not self._signal.has_session(name):
            bundle = found[address]
            if bundle is None:
                return None
            phone = self._session.keys.identity(str(address.canonical))
            if phone is None and (first := found.get(address.canonical)) is not None:
                phone = first.identity_key
            if not prekey_bundles.belongs(bundle, device, phone):
                log.warning("bundle refused", action="bundle.not_of_its_phone")
                return None
            try:
                await self._signal.establish(name, bundle)
            except BadSignature:
                log.warning("bundle refused", action="bundle.bad_signature")
                return None
        try:
            kind, ciphertext = await self._signal.encrypt(name, wrappers.pad(plaintext))
        except NoSession:
            raise Outrun from None
        return Node("enc", {"v": "2", "type": kind, **words}, ciphertext)
