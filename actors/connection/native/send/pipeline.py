"""Runs the steps that all native sends share: file upload, order in the chat, commit, write, acknowledgement.

`direct_sender`, `group_sender` and `peer_messages` bring the stanza and what follows from its acknowledgement.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from actors.connection.engine import SendError
from actors.connection.native.send.fanout import MAX_OUTRUN, Fanout, Outrun
from actors.connection.native.send.outgoing_stanzas import OutgoingStanzas
from actors.connection.native.signal import prekey_bundles
from actors.connection.protocol.identities.addresses import Address
from actors.connection.protocol.mentions import NOBODY
from actors.connection.protocol.send.plaintext import plaintext, poll_author
from actors.connection.protocol.send.send_acks import acknowledgement, send_errors
from actors.connection.protocol.send.to_proto import Place
from actors.messages.content import Media
from actors.runtime.limits.keyed_semaphores import KeyedSemaphores

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence
    from contextlib import AbstractContextManager
    from typing import Literal

    from actors.connection.engine import SendRequest
    from actors.connection.native.send.outgoing_message import Letter
    from actors.connection.native.signal.device_sessions import Signal
    from actors.connection.native.signal.key_agreement import Bundle
    from actors.connection.native.transport.socket import Socket
    from actors.connection.protocol.identities.lid_mapping import LidMapping
    from actors.connection.protocol.media.upload import Uploader
    from actors.connection.protocol.mentions import Mentioned
    from actors.connection.protocol.wire_format.nodes import Node
    from actors.connection.session.files.uploads import Upload
    from actors.connection.session.session import Session

T = TypeVar("T")


class OutgoingStanza(NamedTuple):
    """A stanza that is about to leave.

    `devices` are those that it is encrypted for as far as they have sessions to set up; `encrypt` makes the
    stanza inside a transaction, from their bundles. `leave_alone`: see `Fanout.missing_bundles`.
    """

    devices: Sequence[Address]
    encrypt: Callable[[dict[Address, Bundle | None]], Awaitable[Node]]
    leave_alone: bool = False


class SendPipeline:
    """The way of one socket's messages, each under the caller's id.

    Messages to one chat leave in the order of the calls (G4); no chat waits for another's questions to
    WhatsApp, nor for its files. A ratchet step is on disk before the bytes that used it leave. `turn` gives
    one writer to a chat at a time.
    """

    def __init__(
        self,
        session: Session,
        signal: Signal,
        people: LidMapping,
        socket: Socket,
        *,
        ack_timeout: float,
        uploader: Uploader | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Without an `uploader` no file is sent; an acknowledgement is waited for `ack_timeout` seconds."""
        self._session = session
        self._people = people
        self._socket = socket
        self._ack_timeout = ack_timeout
        self._uploader = uploader
        self.clock = clock
        self.fanout = Fanout(session, signal, people, socket)
        self.turn = KeyedSemaphores[Address](1).of
        self._order = KeyedSemaphores[Address](1).of
        self._outgoing = OutgoingStanzas(session, socket)

    async def close(self) -> None:
        """Send nothing more."""
        await self._outgoing.close()

    async def upload(self, outgoing: SendRequest, chat: Address) -> Upload | None:
        """Return the place of the message's file, once it is there; None where it has none.

        A later message of a chat waits for the file of an earlier one. Raises `SendError`.
        """
        content = outgoing.content
        async with self._order(chat):
            if self._uploader is None or not isinstance(content, Media):
                return None
            with send_errors():
                return await self._uploader.upload(outgoing.message_id, content)

    def plaintext(
        self,
        outgoing: SendRequest,
        chat: Address,
        upload: Upload | None,
        *,
        to: Address,
        named: Callable[[Address], Address],
        expires: int,
        mentioned: Mentioned = NOBODY,
    ) -> bytes:
        """Return the message, not padded, as it is encrypted for `to`.

        `named` returns the address of a person in this chat; messages of the chat disappear after `expires`
        seconds. `mentioned` are the people whom it mentions. Raises `SendError`.
        """
        account, lid = self._people.account, self._people.lid
        place = Place(
            str(to),
            str(account),
            self.clock() if outgoing.at is None else outgoing.at,
            None if lid is None else str(lid.canonical),
            named=lambda person: str(named(Address.parse(person))),
            author=poll_author(self._session, chat, account, outgoing.content),
            expires=expires,
            mentioned=mentioned,
        )
        return plaintext(outgoing, place, upload)

    def acknowledgement(self, message_id: str) -> AbstractContextManager[asyncio.Future[Node]]:
        """Expect WhatsApp's ack of this id while the block runs."""
        return self._socket.acknowledgement(message_id)

    async def acknowledged(self, waiting: asyncio.Future[Node]) -> Node:
        """Return WhatsApp's ack of a message that left. Raises `SendError`."""
        return await acknowledgement(waiting, self._ack_timeout)

    def acknowledged_at(self, ack: Node) -> float:
        """Return the server's time of its ack, in seconds."""
        stamp = ack.number("t")
        return self.clock() if stamp is None else float(stamp)

    async def leave(
        self, chat: Address, write: Callable[[], Awaitable[tuple[T, OutgoingStanza]]]
    ) -> T:
        """Have a letter leave for its devices, and return it once its stanza is written.

        `write` makes it, in the chat's turn; once more where a session went meanwhile. The turn gives the
        place in the order; the commit is shared with all that wait then.
        """
        for _ in range(MAX_OUTRUN):
            async with self.turn(chat):
                letter, stanza = await write()
                leaving = await self._put(stanza)
            try:
                await leaving
            except Outrun:
                continue
            return letter
        raise SendError("session_lost")

    async def _put(self, stanza: OutgoingStanza) -> asyncio.Future[Node]:
        found = await self.fanout.missing_bundles(stanza.devices, leave_alone=stanza.leave_alone)
        leaving = self._outgoing.put(lambda: stanza.encrypt(found))
        if found:
            # The next message is to find the sessions, and to use up no more prekeys.
            await asyncio.wait([leaving])
        return leaving

    def remember(
        self, letter: Letter, author: Address, wire: Literal["lid", "number"] | None = None
    ) -> None:
        """Store what retry receipts and votes will need, inside a transaction.

        `author` is the account's address on the wire of a poll.
        """
        chat = str(self._people.canonical(letter.chat))
        self._session.sent.remember(chat, letter.number, letter.message, self.clock(), wire=wire)
        if letter.poll is not None:
            account = str(self._people.account)
            self._session.secrets.remember(chat, account, letter.number, letter.poll, str(author))

    def device_identity(self, encrypted: Iterable[Node]) -> Sequence[Node]:
        """Return the part of a stanza by which new sessions know this device; empty where there is none."""
        if all(one.attrs["type"] != "pkmsg" for one in encrypted):
            return ()
        return prekey_bundles.device_identity(self._session.credentials.read())
