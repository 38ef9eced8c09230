"""Decrypts the ciphertexts (msg, pkmsg, skmsg) of one stanza inside a transaction of the session file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, cast

import structlog

from actors.connection.native.signal.decryption_budget import ORDINARY
from actors.connection.native.signal.group_keys import GroupKeys
from actors.connection.protocol.decryption_errors import Undecryptable
from actors.connection.protocol.message_size import MAX_CIPHERTEXT
from actors.connection.protocol.receive import receipts, wrappers
from actors.connection.protocol.wire_format.nodes import MalformedMessage, Node

if TYPE_CHECKING:
    from actors.connection.native.signal.device_sessions import Signal
    from actors.connection.protocol.identities.lid_mapping import LidMapping
    from actors.connection.protocol.receive.message_source import MessageSource
    from actors.connection.session.session import Session

log = structlog.get_logger()


class Ciphers:
    """Decrypts, inside a transaction of the session: the keys' steps commit with what they gave.

    A message that takes more than an ordinary one raises `Unprepared` there, and nothing of it changed;
    `prepare`, before the transaction, tries it.
    """

    def __init__(self, session: Session, signal: Signal, people: LidMapping) -> None:
        self._session = session
        self._signal = signal
        self._people = people
        self._keys = GroupKeys(session, signal.budgets)

    async def prepare(self, stanza: Node, source: MessageSource, *, others: bool = False) -> None:
        """Try the ciphertexts that will be decrypted. Changes nothing, and raises nothing of theirs.

        `others` were prepared, which come before: nothing is done again, nor what one of them makes useless. A
        member's message whose key beside it takes long to refuse is not tried here.
        """
        if not can_be_read(stanza, source) or _too_large(stanza, source):
            return
        name, chat = self._name(source), str(source.audience)
        shared = _parts(stanza, "skmsg")[:1]
        direct = _handed(stanza) if shared else stanza.children("enc")[:1]
        if others and not (
            all(self._signal.waits(name, part.data) for part in direct)
            and all(self._keys.waits(chat, name, part.data) for part in shared)
        ):
            return
        spent = 0
        for part in direct:
            kind = cast("Literal['pkmsg', 'msg']", part.attrs["type"])
            spent += await self._signal.prepare(name, kind, part.data)
        if spent <= ORDINARY:
            for part in shared:
                self._keys.prepare(chat, name, part.data)

    def forget_prepared(self) -> None:
        """Drop the results of trials that no transaction committed."""
        self._signal.forget_prepared()
        self._keys.forget_prepared()

    async def take_keys(self, stanza: Node, source: MessageSource) -> None:
        """Take the sender key that comes beside a group's message, whatever becomes of that.

        Where it cannot be read the message may be readable all the same, with the key that is there.
        """
        if source.audience is None or not _parts(stanza, "skmsg") or _too_large(stanza, source):
            return
        for part in _handed(stanza):
            try:
                with self._session.savepoint():
                    plaintext = await self._decrypt_alone(part, source)
                    self._keys.take(str(source.audience), self._name(source), plaintext)
            except (Undecryptable, MalformedMessage) as error:
                reason = error.reason if isinstance(error, Undecryptable) else "malformed"
                log.warning("sender key not read", action="sender_key.unreadable", reason=reason)

    async def decrypt(self, stanza: Node, source: MessageSource) -> bytes:
        """The plaintext, not padded. Raises `Undecryptable` or `MalformedMessage`."""
        if not can_be_read(stanza, source):
            raise Undecryptable("invalid_message")
        if _too_large(stanza, source):
            raise Undecryptable("too_large")
        if shared := _parts(stanza, "skmsg"):
            part = shared[0]
            padded = self._keys.decrypt(str(source.audience), self._name(source), part.data)
            return _unpadded(part, padded)
        plaintext = await self._decrypt_alone(stanza.children("enc")[0], source)
        if source.audience is not None:
            self._keys.take(str(source.audience), self._name(source), plaintext)
        return plaintext

    async def _decrypt_alone(self, part: Node, source: MessageSource) -> bytes:
        kind = cast("Literal['pkmsg', 'msg']", part.attrs["type"])
        return _unpadded(part, await self._signal.decrypt(self._name(source), kind, part.data))

    def _name(self, source: MessageSource) -> str:
        return str(self._people.session_address(source.sender))


def _parts(stanza: Node, *kinds: str) -> list[Node]:
    """The ciphertexts of these kinds."""
    return [part for part in stanza.children("enc") if part.attrs.get("type") in kinds]


def _handed(stanza: Node) -> list[Node]:
    """The ciphertext that hands over a sender key beside a group's message: one at most."""
    return _parts(stanza, "pkmsg", "msg")[:1]


def _too_large(stanza: Node, source: MessageSource) -> bool:
    """Whether another account's ciphertexts are larger than those of any message: authenticating them takes long."""
    size = sum(len(part.data) for part in stanza.children("enc"))
    return size > MAX_CIPHERTEXT and not source.from_me


def can_be_read(stanza: Node, source: MessageSource) -> bool:
    """Whether the ciphertexts are of kinds that there are keys for: a sender key for several alone."""
    kinds = {part.attrs.get("type") for part in stanza.children("enc")}
    return bool(kinds) and kinds <= {"pkmsg", "msg", *(["skmsg"] if source.audience else [])}


def nack_error(stanza: Node, error: Undecryptable | MalformedMessage) -> int | None:
    """The error of the nack for a message that no resend makes readable, as whatsmeow has it.

    None for one that was encrypted with older keys, and for one without a ciphertext, with
    ``<unavailable>`` in its place or nothing: the account's phone may have it (Baileys, messages-recv.ts).
    """
    if isinstance(error, MalformedMessage):
        return receipts.INVALID_PROTOBUF
    if _parts(stanza, "msmsg"):
        return receipts.NO_MESSAGE_SECRET
    return None


def _unpadded(part: Node, padded: bytes) -> bytes:
    return padded if part.attrs.get("v") == "3" else wrappers.unpad(padded)
