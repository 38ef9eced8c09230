"""Answers retry receipts: encrypts a sent message again for the one device that could not decrypt it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog

from actors.connection.native.signal import prekey_bundles
from actors.connection.native.signal.group_keys import GroupKeys, handing
from actors.connection.native.signal.key_agreement import BadSignature
from actors.connection.protocol.identities.addresses import GROUP, Address, parse_optional
from actors.connection.protocol.receive import receipts, wrappers
from actors.connection.protocol.request_errors import ConnectionLost, RequestFailed, RequestTimeout
from actors.connection.protocol.send.resend_permission import may_read_again
from actors.connection.protocol.send.to_proto import dress
from actors.connection.protocol.session_transactions import SessionRefusal, transaction
from actors.connection.protocol.wire_format.nodes import Node
from actors.metrics.mistakes import log_mistake

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from actors.connection.native.signal.device_sessions import Signal
    from actors.connection.native.signal.key_agreement import Bundle
    from actors.connection.native.transport.socket import Socket
    from actors.connection.protocol.identities.lid_mapping import LidMapping
    from actors.connection.session.session import Session

log = structlog.get_logger()

MAX_RESENDS: Final = 5
"""Times that one message is encrypted again for one device that could not read it."""

FRESH_SESSION_FROM: Final = 2
"""A device that asks this often did not get the message on the session that there is."""


@dataclass(frozen=True, slots=True)
class _Claim:
    """A device's request for a message of this chat; `own` is one of the account's devices."""

    chat: Address
    device: Address
    own: bool
    in_group: bool = False


class Resender:
    """Resends a message under its id, to who was sent it and to nobody else (G10).

    At most `MAX_RESENDS` times for each device. `turn` gives one writer to a chat at a time.
    """

    def __init__(
        self,
        session: Session,
        signal: Signal,
        people: LidMapping,
        socket: Socket,
        turn: Callable[[Address], AbstractAsyncContextManager[None]],
    ) -> None:
        self._session = session
        self._signal = signal
        self._people = people
        self._socket = socket
        self._turn = turn
        self._keys = GroupKeys(session)

    async def answer(self, receipt: Node, counts: Counter[str]) -> None:
        """Do what a retry receipt asks for, count what was done, and answer the receipt.

        It comes again at the next login where WhatsApp did not hand out the keys that it takes, and is
        refused where it breaks the handler. Raises `ConnectionLost`, and what an open session refuses with.
        """
        try:
            done = await self.resend(receipt)
            counts[f"resend.{done}"] += 1
            if done != "resent":
                log.info("not resent", action="resend.refused", reason=done)
        except BadSignature:
            counts["resend.bad_signature"] += 1
            log.warning("not resent", action="resend.bad_signature")
        except (ConnectionLost, *SessionRefusal):
            raise
        except (RequestFailed, RequestTimeout) as error:
            counts["resend.failed"] += 1
            log.warning("not resent", action="resend.failed", error=type(error).__name__)
            return
        except Exception as error:  # noqa: BLE001 - a sender must not end the connection
            counts["resend.refused"] += 1
            log_mistake("not resent", "resend.failed", error)
            await self._socket.send(receipts.nack(receipt, receipts.UNHANDLED))
            return
        await self._socket.send(receipts.ack(receipt))

    async def resend(self, receipt: Node) -> str:
        """Do what a retry receipt asks for, and return what was done.

        ``resent``; or nothing: ``malformed``, ``unknown`` (not sent to this device, or not kept any
        more), ``too_often``, ``no_keys``. Raises `BadSignature` where the keys in the receipt are
        not their owner's, and what the socket raises.
        """
        retry, claim = receipt.child("retry"), self._claim(receipt)
        if claim is None or retry is None:
            return "malformed"
        chat, device = claim.chat, claim.device
        number = retry.attrs.get("id") or receipt.attrs.get("id", "")
        message = self._session.sent.plaintext(str(chat), number)
        if message is None or not may_read_again(
            self._session, self._people, chat=chat, device=device, message_id=number
        ):
            return "unknown"
        words = dress(message)
        name = str(self._people.session_address(device))
        bundle = await self._bundle(receipt, device, name)
        async with self._turn(chat):
            async with transaction(self._session, self._socket):
                if (
                    self._session.sent.count_retry("answered", str(chat), name, number)
                    > MAX_RESENDS
                ):
                    return "too_often"
                if bundle is not None and not self._signal.awaits_answer(name, bundle):
                    phone = self._session.keys.identity(str(self._people.canonical(device)))
                    if not prekey_bundles.belongs(bundle, device, phone):
                        raise BadSignature
                    await self._signal.establish(name, bundle)
                if not self._signal.has_session(name):
                    return "no_keys"
                plaintext = self._plaintext(claim, name, number, message)
                kind, ciphertext = await self._signal.encrypt(name, wrappers.pad(plaintext))
            attrs = {
                "to": receipt.attrs.get("from", ""),
                "id": number,
                **words.attrs,
                "t": retry.attrs.get("t", "0"),
            }
            if claim.in_group:
                attrs["participant"] = receipt.attrs["participant"]
            else:
                attrs["device_fanout"] = "false"
            if claim.own and "recipient" in receipt.attrs:
                attrs["recipient"] = receipt.attrs["recipient"]
            count = {"count": retry.attrs.get("count", "1")}
            parts = [
                *words.parts,
                Node("enc", {"v": "2", "type": kind, **words.enc, **count}, ciphertext),
            ]
            if kind == "pkmsg":
                parts += prekey_bundles.device_identity(self._session.credentials.read())
            await self._socket.send(Node("message", attrs, parts))
        return "resent"

    def _claim(self, receipt: Node) -> _Claim | None:
        """The request in a retry receipt; None where it is malformed."""
        origin = parse_optional(receipt.attrs.get("from"))
        if origin is not None and origin.server == GROUP:
            device = parse_optional(receipt.attrs.get("participant"))
            if device is None or not device.is_person:
                return None
            return _Claim(origin, device, self._people.is_account(device), in_group=True)
        if origin is None or not origin.is_person:
            return None
        own = self._people.is_account(origin)
        # Any other person was sent only the messages of their own chat, also where they name another.
        named = parse_optional(receipt.attrs.get("recipient")) if own else None
        return _Claim(self._people.canonical(named or origin), origin, own)

    def _copy(self, chat: Address, number: str, message: bytes) -> bytes:
        """The copy for an own device: it names the chat as the message did that it is of."""
        wire = self._session.sent.wire(str(chat), number)
        named = chat if wire is None else self._people.named(chat, wire)
        return wrappers.device_sent(message, str(named))

    def _plaintext(self, claim: _Claim, name: str, number: str, message: bytes) -> bytes:
        """The plaintext for the device, inside a transaction: in a group with the key for later messages."""
        chat = str(claim.chat)
        if not claim.in_group:
            return self._copy(claim.chat, number, message) if claim.own else message
        key = self._keys.own(chat)
        if key is None:
            return message
        self._session.groups.hand_key(chat, [name])
        return handing(chat, key, message)

    async def _bundle(self, receipt: Node, device: Address, name: str) -> Bundle | None:
        """Keys for a new session with a device that has lost the one there is; None to go on with it.

        The device sends keys along when it knows that it has none. Without them, a registration
        that is not the one known tells of a new installation, and so does asking again.
        """
        if receipt.child("keys") is not None:
            bundle = prekey_bundles.read(receipt)
            if bundle is not None:
                return bundle
        retry = receipt.child("retry")
        count = (retry.number("count") if retry is not None else None) or 1
        stored = self._signal.registration(name)
        registration = int.from_bytes(receipt.bytes_of("registration")[:4], "big")
        if stored is not None and count < FRESH_SESSION_FROM and registration in (0, stored):
            return None
        reply = await self._socket.request(prekey_bundles.query([device]))
        return next(iter(prekey_bundles.answer(reply).values()), None)
