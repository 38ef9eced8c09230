"""Performs login steps at WhatsApp: handshake payload, storing what ``<success>`` reports, activation, logout."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import structlog

from actors.connection.native.transport import client_payload
from actors.connection.native.transport.noise import Login
from actors.connection.protocol.identities.addresses import LID, Address, parse_optional
from actors.connection.protocol.request_errors import (
    ConnectionLost,
    RequestFailed,
    RequestTimeout,
)
from actors.connection.protocol.session_transactions import transaction
from actors.connection.protocol.wire_format.nodes import Node, iq

if TYPE_CHECKING:
    from actors.connection.native.transport.socket import Socket
    from actors.connection.protocol.identities.lid_mapping import LidMapping
    from actors.connection.session.identities.credentials import Credentials
    from actors.connection.session.session import Session

log = structlog.get_logger()

MAX_ROUTING: Final = 4096
"""Bytes of routing that are kept; WhatsApp sends some tens."""


LOGOUT_TIMEOUT: Final = 5.0
"""Seconds that WhatsApp has to confirm an unlinking."""


def words(own: Credentials, version: str, root_key: bytes) -> Login:
    """Handshake's content: the login of a device that is paired, else the wish to be paired.

    `version` is dotted, `root_key` (32 bytes) is what the server has to prove itself by.
    """
    device = parse_optional(own.device)
    if device is not None:
        payload = client_payload.login(version, device, own.logins)
        return Login(own.noise_private, root_key, payload, own.server_key, own.routing)
    key = own.signed_prekey
    payload = client_payload.registration(
        version,
        registration_id=own.registration_id,
        identity=own.identity_public,
        signed_prekey=(key.id, key.public, key.signature),
    )
    # A pairing has the server prove itself anew: nothing of an earlier one serves.
    return Login(own.noise_private, root_key, payload)


async def note_success(session: Session, people: LidMapping, socket: Socket, stanza: Node) -> None:
    """Count the login, and store the account's LID, which its ``<success>`` has."""
    address = parse_optional(stanza.attrs.get("lid"))
    own = session.credentials.read()
    if own is None:
        return
    lid = None
    if address is not None and address.server == LID:
        lid = Address(address.user, address.server, people.device.device)
    async with transaction(session, socket):
        _amend(session, logins=own.logins + 1, lid=own.lid if lid is None else str(lid))
        if lid is not None and session.identities.pn_for(str(lid.canonical)) != str(people.account):
            people.learn(people.device, lid)
    people.lid = lid or people.lid


async def note_routing(session: Session, socket: Socket, routing: bytes) -> None:
    """Store the routing that an edge server wants first on the next connection."""
    own = session.credentials.read()
    if own is None or not 0 < len(routing) <= MAX_ROUTING or own.routing == routing:
        return
    async with transaction(session, socket):
        _amend(session, routing=routing)


async def activate(socket: Socket) -> None:
    """Tell WhatsApp that the device takes part: from now on it gets what is new.

    Raises `ConnectionLost`; a refusal or silence is logged, since messages come nevertheless.
    """
    try:
        await socket.request(iq("set", "passive", (Node("active"),)))
    except (RequestFailed, RequestTimeout) as error:
        log.warning("login not active", action="login.not_active", error=type(error).__name__)


async def unlink(socket: Socket, device: str) -> None:
    """Tell WhatsApp that the device is linked no more; returns also where it does not confirm that."""
    removal = Node("remove-companion-device", {"jid": device, "reason": "user_initiated"})
    with suppress(ConnectionLost, RequestFailed, RequestTimeout):
        await socket.request(iq("set", "md", (removal,)), LOGOUT_TIMEOUT)


def _amend(session: Session, **changes: Any) -> None:
    """Change the credentials inside a transaction, as they are now."""
    own = session.credentials.read()
    if own is not None:
        session.credentials.save(replace(own, **changes))
