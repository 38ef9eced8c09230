"""Inserts decrypted messages into the session's inbox, each with its file, expected receipts, secret and timer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import structlog

from actors.connection.protocol.identities.addresses import GROUP, Address, parse_optional
from actors.connection.protocol.media.media_fields import transfer_of
from actors.connection.protocol.receive import disappearing_timer
from actors.connection.protocol.receive.from_proto import Forged, content_of, unsealed
from actors.connection.protocol.receive.message_source import MessageKey, arrival
from actors.connection.protocol.receive.messages.edit_opener import EditOpener
from actors.connection.protocol.receive.messages.message_context import scene_of
from actors.connection.protocol.receive.messages.stanza_result import StanzaResult
from actors.connection.session.received.inbox import UNDECRYPTABLE_ROW
from actors.messages.content import Change, encode, is_plain, text_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.connection.protocol.identities.group_members import MemberLists
    from actors.connection.protocol.identities.lid_mapping import LidMapping
    from actors.connection.protocol.receive import wrappers
    from actors.connection.protocol.receive.from_proto import Scene
    from actors.connection.protocol.receive.message_source import MessageSource
    from actors.connection.protocol.wire_format.nodes import Node
    from actors.connection.session.session import Session
    from actors.messages.content import Content

log = structlog.get_logger()


class InboxWriter:
    """Writes messages to the inbox, each inside the transaction of its stanza (G5).

    A message and all that it entails commit together. One that would change what its sender may not is
    not shown: it leaves a tombstone, and is acknowledged as any other.
    """

    def __init__(
        self,
        session: Session,
        people: LidMapping,
        rosters: MemberLists,
        *,
        clock: Callable[[], float],
        hold: bool,
    ) -> None:
        self._session = session
        self._people = people
        self._rosters = rosters
        self.edits = EditOpener(session, people)
        session.on_join = self.edits.look_again
        self._clock = clock
        self._hold = hold

    def store(
        self, stanza: Node, source: MessageSource, found: wrappers.Received, plaintext: bytes
    ) -> StanzaResult:
        """Put a message in the inbox, in the place of its placeholder where there is one."""
        scene = self._scene(stanza, source, found)
        try:
            found = unsealed(found, scene)
            content = content_of(found, scene)
        except Forged:
            # Acknowledged as any other, or it would come again for ever.
            log.warning("refused message", action="message.refused")
            self._session.inbox.bury(**self.key(stanza, source)._asdict())
            return StanzaResult("message.refused")
        key = self._named(stanza, source, found.destination)
        placeholder = self.held(*key)
        added = self.add(stanza, source, content, found.destination, plaintext)
        self._note_timer(scene.chat, disappearing_timer.of_message(found, self.at(stanza)))
        author = str(source.sender.canonical)
        self.edits.store(
            key,
            found,
            plaintext,
            at=self.at(stanza),
            from_me=source.from_me,
            push_name=stanza.attrs.get("notify"),
            source=arrival(stanza),
        )
        opened = self.edits.learn(key, content, found.secret, author)
        expected = added and self._expect_file(key, source, found)
        task: Literal["file"] | None = "file" if expected else None
        stored = "message.placeholder" if content.type == UNDECRYPTABLE_ROW else "message.stored"
        counted = stored if added else "message.repeated"
        held, news = self.held(*key), added or bool(opened)
        moved: list[tuple[int | None, int | None]] = [*opened]
        if placeholder not in {None, held}:
            moved.append((placeholder, held))
        return StanzaResult(counted, news=news, held=held, moved=moved, task=task)

    def set_timer(self, stanza: Node, source: MessageSource, plaintext: bytes) -> None:
        """A person sets after how long messages of the chat disappear."""
        found = disappearing_timer.of_protocol(plaintext, self.at(stanza))
        if found is not None:
            self._note_timer(self._chat(stanza, source, found[1]), found[0])

    def _note_timer(self, chat: Address, setting: disappearing_timer.Setting | None) -> None:
        """Note a timer that a message of the chat brings; a group's is in the list of its members."""
        if setting is not None and chat.is_person:
            self._session.timers.note(str(chat), *setting)

    def at(self, stanza: Node) -> int:
        """WhatsApp's time of a message, in seconds since the epoch; now where the stanza has none."""
        return stanza.number("t") or int(self._clock())

    def _expect_file(
        self, key: MessageKey, source: MessageSource, found: wrappers.Received
    ) -> bool:
        """Note with the message what its file takes, or why there will be none; True for the former."""
        transfer = transfer_of(found, **key._asdict(), from_me=source.from_me)
        if isinstance(transfer, str):
            self._session.downloads.add_file(*key, "failed", transfer)
        elif transfer is not None:
            self._session.downloads.add(transfer)
            return True
        return False

    def _is_admin(self, source: MessageSource) -> bool:
        roster = self._rosters.cached(source.chat)
        sender = self._people.canonical(source.sender)
        return roster is not None and self._rosters.is_admin(roster, sender)

    def _scene(self, stanza: Node, source: MessageSource, found: wrappers.Received) -> Scene:
        return scene_of(
            self._session,
            self._people,
            self._chat(stanza, source, found.destination),
            self._people.canonical(source.sender),
            is_admin=lambda: self._is_admin(source),
        )

    def _chat(self, stanza: Node, source: MessageSource, destination: str | None) -> Address:
        """The chat of a message, which the copy of one that another own device sent names itself."""
        named = parse_optional(destination)
        if source.from_me and named is not None and "recipient" not in stanza.attrs:
            return self._people.canonical(named)
        return source.chat

    def add(
        self,
        stanza: Node,
        source: MessageSource,
        content: Content,
        destination: str | None = None,
        plaintext: bytes = b"",
    ) -> bool:
        """Write one row; False where the message is there already."""
        key = self._named(stanza, source, destination)
        if key != (first := self.key(stanza, source)):
            # The stanza alone names it differently when it comes again.
            self._session.inbox.bury(**first._asdict())
        if source.from_me and source.chat.server == GROUP:
            self._expect_receipts(key)
        at = self.at(stanza)
        added = self._session.inbox.add(
            **key._asdict(),
            at=at,
            type=content.type,
            text=text_of(content),
            from_me=source.from_me,
            push_name=stanza.attrs.get("notify"),
            source=arrival(stanza),
            body=None if content.type in ("text", UNDECRYPTABLE_ROW) else plaintext,
            content=None if is_plain(content) else encode(content),
        )
        if added and not source.from_me and content.type != UNDECRYPTABLE_ROW:
            self._expect_reading(stanza, key, content, at)
        return added

    def _expect_reading(self, stanza: Node, key: MessageKey, content: Content, at: int) -> None:
        """Note the addresses of its read receipt; a change has none."""
        if isinstance(content, Change):
            return
        author = parse_optional(stanza.attrs.get("participant"))
        self._session.unread.note(
            chat=key.chat,
            message_id=key.message_id,
            origin=str(Address.parse(stanza.attrs["from"]).canonical),
            author="" if author is None else str(author.canonical),
            at=at,
        )

    def _expect_receipts(self, key: MessageKey) -> None:
        """The account's phone wrote to a group: those who are in it are to get it."""
        roster = self._rosters.cached(Address.parse(key.chat))
        if roster is not None:
            others = (str(one) for one in self._rosters.persons(roster))
            people = [one for one in others if one != key.sender]
            self._session.groups.expect_receipts(key.chat, key.message_id, people)

    def _named(self, stanza: Node, source: MessageSource, destination: str | None) -> MessageKey:
        chat = str(self._chat(stanza, source, destination))
        return self.key(stanza, source)._replace(chat=chat)

    def held(self, *key: str) -> int | None:
        """The inbox item that the answer waits for; None where it leaves at once."""
        return self._session.refused.unsettled(*key) if self._hold else None

    def key(self, stanza: Node, source: MessageSource) -> MessageKey:
        """The name of a message, as far as its stanza has it."""
        sender = self._people.canonical(source.sender)
        return MessageKey(str(source.chat), str(sender), stanza.attrs["id"])
