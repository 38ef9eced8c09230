"""Pairs a client by QR, as server and phone: sends refs, links the device, verifies its signature.

By a code instead of the QR: `code_pairing.py`.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import structlog

from simulator.phones import adv
from simulator.server.companions import Companion
from simulator.wire.protocol_library import (
    LID_SERVER,
    PN_SERVER,
    SERVER,
    Node,
    bytes_of,
    xeddsa_verify,
)

if TYPE_CHECKING:
    from simulator.contacts.people import People
    from simulator.contacts.signal_endpoints import SignalEndpoints
    from simulator.phones.scan_demands import ScanDemands
    from simulator.server.companions import Companions
    from simulator.server.notifications import Notifications
    from simulator.server.rules.lid_migrations import Migrations
    from simulator.server.rules.login_remarks import LoginRemarks
    from simulator.server.rules.switches import Switches
    from simulator.store import Store
    from simulator.wire.connection import Connection

log = structlog.get_logger()

REFS: Final = 6
# A client shows the first ref for 60 s and the others for 20 s each; then the server lets go.
REFS_SECONDS: Final = 180.0
SIGN_SECONDS: Final = 20.0
QR_PREFIX: Final = "https://wa.me/settings/linked_devices#"
_REF_VERSION: Final = "2@"
_UNMET: Final = {
    "refresh": ("secret_retired", "the client has to show a QR with another secret"),
    "passkey": ("passkey_required", "the client has to prove itself by the account's passkey"),
}
_CLIENT_TYPE: Final = re.compile(r"[0-9a-f]")


class ScanError(Exception):
    """The phone could not link the device. `code` is stable, the text is for a person."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code


@dataclass
class _PendingScan:
    """A scan that waits for the companion's signature."""

    query_id: str
    companion: Companion
    signed: bytes
    done: asyncio.Future[Companion]


class Pairing:
    """The clients that show a QR now."""

    def __init__(
        self,
        *,
        store: Store,
        people: People,
        endpoints: SignalEndpoints,
        companions: Companions,
        notifications: Notifications,
        migrations: Migrations,
        switches: Switches,
        login_remarks: LoginRemarks,
        scan_demands: ScanDemands,
    ) -> None:
        self._store = store
        self._people = people
        self._endpoints = endpoints
        self._companions = companions
        self._notifications = notifications
        self._migrations = migrations
        self._switches = switches
        self._login_remarks = login_remarks
        self._scan_demands = scan_demands
        self._refs: dict[str, Connection] = {}
        self._pending: dict[Connection, _PendingScan] = {}

    def offer(self, connection: Connection) -> None:
        """Sends a registering client its refs; closes its socket when the last has expired."""
        refs = [
            f"{_REF_VERSION}{base64.b64encode(secrets.token_bytes(32)).decode()}"
            for _ in range(REFS)
        ]
        for ref in refs:
            self._refs[ref] = connection
        asyncio.get_running_loop().call_later(REFS_SECONDS, self._expire, connection)
        connection.push(
            Node(
                "iq",
                {"from": SERVER, "type": "set", "id": _query_id(), "xmlns": "md"},
                [Node("pair-device", {}, [Node("ref", {}, ref.encode()) for ref in refs])],
            )
        )

    def left(self, connection: Connection) -> None:
        """Drops the refs of a client whose socket closed."""
        self._refs = {ref: one for ref, one in self._refs.items() if one is not connection}
        self._scan_demands.left(connection)
        pending = self._pending.pop(connection, None)
        if pending is not None and not pending.done.done():
            pending.done.set_exception(
                ScanError(409, "pairing_interrupted", "the client closed its connection")
            )

    async def scan(self, number: str, qr: str) -> Companion:
        """Links the device that shows `qr` to the account of `number`.

        Returns once its signature is verified and stored. Raises ScanError, also where the phone
        demands more of the client first.
        """
        self._check_prefix(number, qr.strip())
        connection, secret = self._shown(qr)
        demand = self._scan_demands.unmet(number, connection, secret)
        if demand is not None:
            raise ScanError(409, *_UNMET[demand])
        return await self.link(number, connection, secret)

    async def link(self, number: str, connection: Connection, secret: bytes) -> Companion:
        """Links the client to the account of `number`, whose phone shares a secret with it.

        Returns once its signature is verified and stored. Raises ScanError.
        """
        if connection in self._pending:
            raise ScanError(409, "pairing_in_progress", "this client is being paired already")
        _check_prekey(connection.registration)
        pending = self._begin(number, connection, secret)
        try:
            async with asyncio.timeout(SIGN_SECONDS):
                return await pending.done
        except TimeoutError as error:
            raise ScanError(409, "pairing_timeout", "the client did not sign in time") from error
        finally:
            self._pending.pop(connection, None)

    def answered(self, connection: Connection, answer: Any) -> None:
        """Handles the client's answer to `pair-success`; ignores other answers."""
        pending = self._pending.get(connection)
        if pending is None or str(answer.attrs.get("id", "")) != pending.query_id:
            return
        if pending.done.done():
            return
        if answer.attrs.get("type") != "result":
            self._fail(pending, "pairing_refused", "the client refused the pairing")
            return
        try:
            signature = bytes_of(answer, "pair-device-sign", "device-identity")
            shown = adv.parsed(signature)
        except ValueError:
            self._fail(pending, "pairing_malformed", "the client's answer carries no signature")
            return
        identity = adv.parsed(pending.signed)
        identity.device_signature = shown.device_signature
        signed = bytes(identity.SerializeToString())
        companion = pending.companion
        if shown.details != identity.details or not adv.vouched(
            signed, companion.identity, bytes(identity.account_signature_key)
        ):
            self._fail(pending, "bad_device_signature", "the client's signature does not verify")
            return
        linked = Companion(**{**vars(companion), "adv": signed})
        with self._store.transaction():
            self._companions.add(linked)
            self._login_remarks.paired(linked.number, connection.registration)
            self._people.relisted(linked.number)
            self._notifications.device(linked.number, "add", linked.device)
            self._store.after_commit(
                lambda: connection.retire(Node("stream:error", {"code": "515"}))
            )
        log.info("paired", action="paired", serial=connection.serial, device=linked.device)
        pending.done.set_result(linked)

    def _begin(self, number: str, connection: Connection, secret: bytes) -> _PendingScan:
        person = self._people.named(number)
        data = connection.registration
        with self._store.transaction():
            device = self._people.next_device(number)
        phone = self._endpoints.phone(number).identity
        identity = bytes(data.e_ident)
        signed = adv.signed_identity(
            phone, identity, raw_id=person.raw_id, key_index=device, now=time.time()
        )
        companion = Companion(
            number=number,
            device=device,
            noise=connection.client_static,
            identity=identity,
            registration=int.from_bytes(data.e_regid, "big"),
            skey_id=int.from_bytes(data.e_skey_id, "big"),
            skey=bytes(data.e_skey_val),
            skey_signature=bytes(data.e_skey_sig),
            adv=signed,
            key_index=device,
            paired_at=time.time(),
            logins=0,
            uploaded=False,
        )
        pending = _PendingScan(
            _query_id(), companion, signed, asyncio.get_running_loop().create_future()
        )
        self._pending[connection] = pending
        connection.trace.identified(pending.companion.key)
        props = self._migrations.client_props(number)
        connection.push(
            Node(
                "iq",
                {
                    "from": SERVER,
                    "type": "set",
                    "id": pending.query_id,
                    "xmlns": "md",
                    "t": int(time.time()),
                },
                [
                    Node(
                        "pair-success",
                        {},
                        [
                            Node("device-identity", {}, adv.sealed_identity(signed, secret)),
                            Node(
                                "device",
                                {
                                    "jid": person.address(PN_SERVER, device),
                                    "lid": person.address(LID_SERVER, device),
                                },
                            ),
                            Node("platform", {"name": "android"}),
                            *([] if props is None else [props]),
                        ],
                    )
                ],
            )
        )
        return pending

    def _check_prefix(self, number: str, qr: str) -> None:
        """Refuses the text of a QR whose prefix the account's phone does not accept."""
        prefixed = qr.startswith(QR_PREFIX)
        if not prefixed and self._switches.on("qr_prefix", number):
            raise ScanError(400, "bad_qr", "this phone reads only a QR with a prefix")
        if prefixed and self._switches.on("qr_bare", number):
            raise ScanError(400, "bad_qr", "this phone reads only a QR without a prefix")

    def _shown(self, qr: str) -> tuple[Connection, bytes]:
        """Returns the client that shows this QR, and the secret in it.

        Both forms are accepted: with the prefix (whatsmeow, pair.go `makeQRData`) and without
        (whatsapp-rust, wacore/src/pair.rs `make_qr_data`). Each ends with the client's type: phones refuse one
        without it (its pull request 593).
        """
        parts = qr.strip().removeprefix(QR_PREFIX).split(",")
        try:
            ref, (noise, identity, secret) = parts[0], (_decoded(part) for part in parts[1:4])
            _check_ref(ref)
        except (ValueError, binascii.Error) as error:
            raise ScanError(400, "bad_qr", "this is not a linked-devices QR") from error
        if not _CLIENT_TYPE.fullmatch(",".join(parts[4:])):
            raise ScanError(400, "bad_qr", "this QR does not name the client's type")
        connection = self._refs.get(ref)
        if connection is None or connection.retired:
            raise ScanError(409, "qr_expired", "no client shows this QR any more")
        data = connection.registration
        if noise != connection.client_static or identity != bytes(data.e_ident):
            raise ScanError(409, "qr_mismatch", "the QR's keys are not those of the client")
        return connection, secret

    def _expire(self, connection: Connection) -> None:
        if connection not in self._pending:
            connection.retire()

    @staticmethod
    def _fail(pending: _PendingScan, code: str, detail: str) -> None:
        pending.done.set_exception(ScanError(409, code, detail))


def _check_prekey(data: Any) -> None:
    signed = b"\x05" + bytes(data.e_skey_val)
    if bytes(data.e_keytype) != b"\x05" or not xeddsa_verify(
        bytes(data.e_ident), signed, bytes(data.e_skey_sig)
    ):
        raise ScanError(409, "bad_prekey_signature", "the client's signed prekey does not verify")


def _check_ref(ref: str) -> None:
    if not ref.startswith(_REF_VERSION):
        raise ValueError("not a ref")


def _decoded(part: str) -> bytes:
    key = base64.b64decode(part, validate=True)
    if len(key) != 32:
        raise ValueError("bad key length")
    return key


def _query_id() -> str:
    return str(secrets.randbelow(1 << 31))
