"""Sends messages: commits each one to the session file, writes it to the whatsmeow program, awaits WhatsApp's ack."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

import structlog

from actors.connection.disconnects.causes import Cause
from actors.connection.disconnects.causes import Kind as CauseKind
from actors.connection.engine import NotConnected, SendError
from actors.connection.limits.ack_errors import REFUSED_STANZA, STALE_ADDRESSING
from actors.connection.protocol import mentions
from actors.connection.protocol.identities.addresses import (
    GROUP,
    Address,
    parse_optional,
    participant_hash,
)
from actors.connection.protocol.identities.group_members import NotInGroup, UnknownGroup
from actors.connection.protocol.request_errors import ConnectionLost, RequestFailed, RequestTimeout
from actors.connection.protocol.send.plaintext import plaintext, poll_author, poll_secret
from actors.connection.protocol.send.send_acks import forget_begun, send_errors
from actors.connection.protocol.send.shared_commits import SharedCommits
from actors.connection.protocol.send.to_proto import Place
from actors.connection.protocol.session_transactions import SessionRefusal, transaction
from actors.connection.whatsmeow.login_channel import AnsweredByAnother
from actors.connection.whatsmeow.refused_stanzas import AddressKinds
from actors.messages.content import Media
from actors.runtime.limits.keyed_semaphores import KeyedSemaphores

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from actors.connection.engine import SendRequest
    from actors.connection.protocol.identities.addresses import Kind
    from actors.connection.protocol.identities.group_members import GroupMembers, MemberLists
    from actors.connection.protocol.identities.lid_mapping import LidMapping
    from actors.connection.protocol.media.upload import Uploader
    from actors.connection.session.files.uploads import Upload
    from actors.connection.session.session import Session
    from actors.connection.whatsmeow.login_channel import Link
    from actors.connection.whatsmeow.queries.lookups import Lookups
    from actors.connection.whatsmeow.refused_stanzas import RefusedStanzas


log = structlog.get_logger()


class ProgramSender:
    """Sends over one link, each message under the caller's id (G3), in each chat in order (G4).

    A message is on disk before the program has it: a device that cannot read it gets it again, also after
    a crash. Messages of several chats that come at one time share a commit.
    """

    def __init__(
        self,
        session: Session,
        people: LidMapping,
        rosters: MemberLists,
        link: Link,
        lookups: Lookups,
        *,
        refused: RefusedStanzas,
        ack_timeout: float,
        uploader: Uploader | None,
        permit: Callable[[Address], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Without an `uploader` no file is sent. `permit` raises where nothing may leave for a chat now."""
        self._session = session
        self._people = people
        self._rosters = rosters
        self._link = link
        self._lookups = lookups
        self._refused = refused
        self._kinds = AddressKinds(session, people, clock)
        self._ack_timeout = ack_timeout
        self._uploader = uploader
        self._permit = permit
        self._clock = clock
        self._order, self._turn = KeyedSemaphores[Address](1).of, KeyedSemaphores[Address](1).of
        self._commits: SharedCommits[None] = SharedCommits(session, link)

    async def close(self) -> None:
        """Write nothing any more."""
        await self._commits.close()

    async def send(self, outgoing: SendRequest) -> float:
        """Return the server's time of its acknowledgement, in seconds. Raises `SendError`."""
        chat = parse_optional(outgoing.chat)
        if chat is None or not (chat.is_person or chat.server == GROUP):
            raise SendError("unsupported_chat", permanent=True)
        chat = self._people.canonical(chat)
        self._check(chat)
        upload = await self._upload(outgoing, chat)
        kind = self._kinds.of(chat, outgoing.message_id)
        try:
            at = await self._attempt(outgoing, chat, upload, kind)
        except SendError as refused:
            await self._explain(refused, chat, outgoing.message_id)
            at = await self._again(outgoing, chat, upload, kind, refused)
        self._refused.accepted()
        return at

    async def _again(
        self,
        outgoing: SendRequest,
        chat: Address,
        upload: Upload | None,
        kind: Kind,
        refused: SendError,
    ) -> float:
        """Send once more where WhatsApp wants another address: of a group's members, or of the other kind.

        Raises `SendError`.
        """
        other: Kind | None = kind if refused.code == STALE_ADDRESSING else None
        if refused.code == REFUSED_STANZA and chat.is_person:
            other = self._kinds.other(chat, kind)
        if other is None:
            raise self._judged(refused, outgoing.message_id)
        try:
            at = await self._attempt(outgoing, chat, upload, other)
        except SendError as again:
            if again.code == STALE_ADDRESSING:
                raise SendError(STALE_ADDRESSING, permanent=True) from None
            raise self._judged(again, outgoing.message_id) from None
        if other != kind:
            with suppress(ConnectionLost):  # the message is sent; the next one is refused once more
                async with transaction(self._session, self._link):
                    self._kinds.taken(other)
        return at

    def _judged(self, refused: SendError, message_id: str) -> SendError:
        """The refusal of a message, which is for good only where WhatsApp does not refuse every one."""
        if refused.code != REFUSED_STANZA:
            return refused
        follows = self._refused.refused(message_id)
        log.warning("stanza refused", action="send.refused_stanza", follows=follows)
        if follows == "login":
            self._link.fail(Cause(CauseKind.RESTART_REQUIRED, REFUSED_STANZA))
        return SendError(REFUSED_STANZA, permanent=follows == "dead")

    async def _upload(self, outgoing: SendRequest, chat: Address) -> Upload | None:
        """The place of the message's file, once it is there; None where it has none.

        A later message of a chat waits for the file of an earlier one. Raises `SendError`.
        """
        content = outgoing.content
        async with self._order(chat):
            if self._uploader is None or not isinstance(content, Media):
                return None
            with send_errors():
                return await self._uploader.upload(outgoing.message_id, content)

    async def _attempt(
        self, outgoing: SendRequest, chat: Address, upload: Upload | None, kind: Kind
    ) -> float:
        async with self._turn(chat):
            with send_errors():
                message, to, members = await self._written(outgoing, chat, upload, kind)
            self._check(chat)  # another name, or a limit, may have come meanwhile
            try:
                answer = await self._link.post(
                    "send",
                    self._clock,
                    within=self._ack_timeout,
                    body=message,
                    chat=str(to),
                    by_number=kind == "number",
                    message_id=outgoing.message_id,
                    members=members,
                )
            except AnsweredByAnother as found:
                other = Address.parse(found.phone)
                await self._lookups.note_answer(chat, other, parse_optional(found.lid))
                raise NotConnected from None  # earlier messages of that chat leave first (G4)
        at = answer.header.get("at")
        return float(at) if isinstance(at, int | float) and at > 0 else self._clock()

    def _check(self, chat: Address) -> None:
        """Raises `SendError` where nothing may leave for the chat now.

        It may have another name, whose earlier messages leave first (G4), or a limit may hold it back.
        """
        if self._people.canonical(chat) != chat:
            raise NotConnected
        if chat.is_person:
            self._permit(chat)

    async def _written(
        self, outgoing: SendRequest, chat: Address, upload: Upload | None, kind: Kind
    ) -> tuple[bytes, Address, str]:
        """The message, which is on disk, its recipient on the wire, and the hash of a group's noted members.

        Raises `SendError`, too.
        """
        self._check(chat)
        people = mentions.people(mentions.of_content(outgoing.content))
        roster = await self._rosters.of(chat, people) if chat.server == GROUP else None
        members = {} if roster is None else self._rosters.named(roster)
        to = chat if roster is not None else self._people.named(chat, kind)
        message = plaintext(outgoing, self._place(outgoing, chat, to, roster, members), upload)
        await self._commits.put(lambda: self._remember(outgoing, chat, message, roster, kind))
        return message, to, participant_hash(members.values()) if members else ""

    def _place(
        self,
        outgoing: SendRequest,
        chat: Address,
        to: Address,
        roster: GroupMembers | None,
        members: Mapping[Address, Address],
    ) -> Place:
        people, lid, mentioned = self._people, self._people.lid, mentions.NOBODY
        if roster is None:
            kind: Kind = "lid" if to.server == "lid" else "number"
            expires = self._session.timers.seconds(str(chat))

            def named(person: str) -> str:
                return str(people.named(Address.parse(person), kind))

        else:
            current = roster
            expires = roster.expires
            wanted = mentions.of_content(outgoing.content)
            mentioned = mentions.sent(wanted, members, people.canonical)

            def named(person: str) -> str:
                return str(self._rosters.address(Address.parse(person), current, members))

        return Place(
            str(to),
            str(people.account),
            self._clock() if outgoing.at is None else outgoing.at,
            None if lid is None else str(lid.canonical),
            named=named,
            author=poll_author(self._session, chat, people.account, outgoing.content),
            expires=expires,
            mentioned=mentioned,
        )

    async def _remember(
        self,
        outgoing: SendRequest,
        chat: Address,
        message: bytes,
        roster: GroupMembers | None,
        wire: Kind,
    ) -> None:
        """Keep what retry receipts, receipts and votes will need, inside a transaction."""
        account, number = self._people.account, outgoing.message_id
        self._session.sent.remember(str(chat), number, message, self._clock(), wire=wire)
        if roster is None:
            self._session.outreach.note_begun(str(chat), number)
        else:
            others = (one for one in self._rosters.persons(roster) if one != account)
            self._session.groups.expect_receipts(str(chat), number, map(str, others))
        if (poll := poll_secret(outgoing.content)) is not None:
            kind = wire if roster is None else roster.kind
            own = self._people.named(account, kind)
            self._session.secrets.remember(str(chat), str(account), number, poll, str(own))

    async def _explain(self, refused: SendError, chat: Address, message_id: str) -> None:
        """Ask who is in a group after WhatsApp refused a message to it; a person was not written to. Raises `SendError`."""
        if chat.server != GROUP:
            if not refused.uncertain:
                whom = self._people.canonical(chat)
                await forget_begun(self._session, self._link, whom, message_id, refused)
            return
        if refused.code != STALE_ADDRESSING and not refused.code.startswith("refused_"):
            return
        try:
            roster = await self._rosters.refresh(chat)
        except NotInGroup:
            raise SendError("not_in_group", permanent=True) from None
        except UnknownGroup:
            raise SendError("unknown_group", permanent=True) from None
        except (ConnectionLost, RequestFailed, RequestTimeout, *SessionRefusal):
            return
        if not self._rosters.includes(roster, self._people.account):
            raise SendError("not_in_group", permanent=True) from None


class PhoneMessages:
    """Sends peer messages: to the account's phone, seen by nobody else."""

    def __init__(self, link: Link, *, ack_timeout: float) -> None:
        self._link, self._ack_timeout = link, ack_timeout

    async def send(self, number: str, message: bytes) -> None:
        """Send one, not padded, under this id; done once WhatsApp has it. Raises `SendError`."""
        await self._link.post(
            "peer", time.time, within=self._ack_timeout, body=message, message_id=number
        )
