"""Changes by whatsmeow's events, inside a transaction of the session."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal

import structlog

from actors.connection.engine import UNSUPPORTED
from actors.connection.native.identities.addresses import GROUP, Address
from actors.connection.native.receive import timers, wrappers
from actors.connection.native.receive.from_proto import Forged, content_of, unsealed
from actors.connection.native.receive.message_source import Key, is_list
from actors.connection.native.receive.messages.edit_opener import EditOpener
from actors.connection.native.receive.messages.scene import scene_of
from actors.connection.native.receive.transactions import SessionRefusal
from actors.connection.native.transport.nodes import MalformedMessage
from actors.connection.session.inbox import UNDECRYPTABLE
from actors.messages.content import Change, Media, Notice, encode, is_plain, text_of
from actors.runtime.logs import told

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.connection.native.identities.lid_mapping import People
    from actors.connection.native.receive.from_proto import Scene
    from actors.connection.session.messages.message_secrets import MessageSecret
    from actors.connection.session.session import Session
    from actors.messages.content import Content, Target

log = structlog.get_logger()

MAX_RETRIES: Final = 4
"""Times that whatsmeow asks a sender to encrypt one message again."""

EARLY: Final = 1000
"""Receipts that wait for the id that they speak of to be known, at most."""

# neonize's numbers for the types of a receipt.
_STATUSES: Final[dict[int, Literal["delivered", "read"]]] = {
    1: "delivered",
    4: "read",
    6: "read",
    9: "delivered",
}


_OWN_READING: Final = frozenset({4, 5})


@dataclass(frozen=True, slots=True)
class Departed:
    """WhatsApp acknowledged the message `ours` of this chat as `theirs`; `poll` where it is one."""

    chat: str
    ours: str
    theirs: str
    poll: MessageSecret | None


@dataclass(frozen=True, slots=True)
class _Receipt:
    chat: str
    status: Literal["delivered", "read"]
    at: int


class Incoming:
    """Puts what arrived into the inbox, once however often it comes, under the service's ids.

    whatsmeow acknowledged it to WhatsApp before it came here: what is lost on the way is lost.
    """

    def __init__(self, session: Session, people: People, clock: Callable[[], float]) -> None:
        self._session = session
        self._people = people
        self._edits = EditOpener(session, people, read=self._said)
        self._clock = clock
        # WhatsApp may tell of a receipt before Go tells which id the message got.
        self._early: OrderedDict[str, list[_Receipt]] = OrderedDict()

    def take(self, event: Any) -> bool:
        """Apply an event; whether the inbox may have grown. Raises `SessionRefusal`.

        One event that fails holds up no other.
        """
        try:
            with self._session.savepoint():
                return self._taken(event)
        except SessionRefusal:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is about that event
            log.error("event failed", action="engine.event", **told(error))  # noqa: TRY400
            return False

    def _taken(self, event: Any) -> bool:
        kind = event.DESCRIPTOR.name
        if kind == "Message":
            return self._message(event)
        if kind == "UndecryptableMessage":
            return self._undecryptable(event)
        return kind == "Receipt" and self._receipt(event)

    def departed(self, sent: Departed) -> bool:
        """Note under which id a message left; whether receipts had come for it."""
        self._session.note_alias(sent.ours, sent.theirs)
        if sent.poll is not None:
            account = str(self._people.account)
            self._session.remember_secret(sent.chat, account, sent.theirs, sent.poll)
        waiting = self._early.pop(sent.theirs, [])
        for each in waiting:
            self._session.add_receipt(
                chat=each.chat, message_ids=(sent.ours,), status=each.status, at=each.at
            )
        return bool(waiting)

    def lapse(self, patience: float) -> bool:
        """Show placeholders for what nobody sent again for so many seconds; whether there are any."""
        return self._session.show_wanted(self._clock() - patience) > 0

    def _message(self, event: Any) -> bool:
        found = self._source(event.Info)
        if found is None:
            return False
        learned, chat, sender = found
        key = {"chat": str(chat), "sender": str(sender), "message_id": event.Info.ID}
        plaintext = event.Message.SerializeToString()
        try:
            received = wrappers.read(plaintext)
            scene = scene_of(self._session, self._people, chat, sender)
            received = None if received is None else unsealed(received, scene)
            said = None if received is None else self._said(received, scene)
        except MalformedMessage:
            return self._want(event.Info, key) or learned
        except Forged:
            log.warning("refused message", action="message.refused")
            said = None
        self._note_timer(event.Info, chat, received, plaintext)
        if said is None:
            self._session.bury(**key)
            return learned
        assert received is not None
        push_name = event.Info.Pushname or None
        added = self._session.add_message(
            **key,
            at=self._at(event.Info),
            type=said.type,
            text=text_of(said),
            from_me=event.Info.MessageSource.IsFromMe,
            push_name=push_name,
            body=None if said.type in ("text", UNDECRYPTABLE) else plaintext,
            content=None if is_plain(said) else encode(said),
        )
        self._edits.keep(
            Key(**key),
            received,
            plaintext,
            at=self._at(event.Info),
            from_me=event.Info.MessageSource.IsFromMe,
            push_name=push_name,
            source="live",
        )
        opened = self._edits.learn(Key(**key), said, received.secret)
        if added and isinstance(said, Media):
            self._session.add_file(str(chat), str(sender), event.Info.ID, "failed", UNSUPPORTED)
        if added and not event.Info.MessageSource.IsFromMe and not isinstance(said, Change):
            self._expect_reading(event.Info, str(chat))
        return added or learned or bool(opened)

    def _note_timer(
        self, info: Any, chat: Address, received: wrappers.Received | None, plaintext: bytes
    ) -> None:
        """A person sets, or a message says, after how long messages of the chat disappear."""
        if not chat.is_person:
            return
        at = self._at(info)
        if received is not None:
            setting = timers.of_message(received, at)
        else:
            found = timers.of_protocol(plaintext, at)
            setting = None if found is None else found[0]
        if setting is not None:
            self._session.note_timer(str(chat), *setting)

    def _expect_reading(self, info: Any, chat: str) -> None:
        """Note how its sender is told that the account read it."""
        origin, sender = address(info.MessageSource.Chat), address(info.MessageSource.Sender)
        self._session.note_unread(
            chat=chat,
            message_id=info.ID,
            origin=str(origin.canonical),
            author="" if origin.is_person else str(sender.canonical),
            at=self._at(info),
        )

    def _said(self, received: wrappers.Received, scene: Scene) -> Content:
        """Raises `Forged`."""
        return retargeted(content_of(received, scene), self._session.ours)

    def _undecryptable(self, event: Any) -> bool:
        found = self._source(event.Info)
        if found is None:
            return False
        learned, chat, sender = found
        key = {"chat": str(chat), "sender": str(sender), "message_id": event.Info.ID}
        return self._want(event.Info, key) or learned

    def _want(self, info: Any, key: dict[str, str]) -> bool:
        """Go asks for it again by itself; until that comes, or lapses, it is not shown.

        After so many tries Go asks no more.
        """
        if self._session.seen(**key):
            return False
        said = {
            **key,
            "at": self._at(info),
            "from_me": info.MessageSource.IsFromMe,
            "push_name": info.Pushname or None,
        }
        if self._session.count_retry("asked", *key.values()) > MAX_RETRIES:
            return self._session.add_message(**said, type=UNDECRYPTABLE, text=None)
        self._session.want(**said, source="live")
        return False

    def _receipt(self, event: Any) -> bool:
        status = _STATUSES.get(event.Type)
        source = event.MessageSource
        if source.IsFromMe and event.Type in _OWN_READING:
            chat = str(self._people.canonical(address(source.Chat)))
            self._session.read_elsewhere(chat, event.MessageIDs)
            return False
        if status is None or source.IsFromMe or not address(source.Chat).is_person:
            return False
        learned = self._learn(source)
        chat = str(self._people.canonical(address(source.Chat)))
        receipt = _Receipt(chat, status, event.Timestamp or int(self._clock()))
        ours = []
        for number in event.MessageIDs:
            known = self._session.ours(number)
            if known is not None:
                ours.append(known)
            else:
                self._wait_for(number, receipt)
        if ours:
            self._session.add_receipt(chat=chat, message_ids=ours, status=status, at=receipt.at)
        return learned or len(ours) > 0

    def _wait_for(self, number: str, receipt: _Receipt) -> None:
        """Of this device's, the id of which is not known yet; or of the account's phone."""
        self._early.setdefault(number, []).append(receipt)
        while len(self._early) > EARLY:
            self._early.popitem(last=False)
        self._session.add_status(
            chat=receipt.chat,
            sender=str(self._people.account),
            message_id=number,
            status=receipt.status,
            at=receipt.at,
        )

    def _source(self, info: Any) -> tuple[bool, Address, Address] | None:
        """Whether somebody's other address is news, the chat and who wrote; None for no chat."""
        source = info.MessageSource
        chat, sender = address(source.Chat), address(source.Sender)
        if is_list(chat) and not source.IsFromMe:
            # It is said in the chat with its sender, as WhatsApp's clients show it.
            chat = sender
        if not info.ID or not sender.is_person or not (chat.is_person or chat.server == GROUP):
            return None
        learned = self._learn(source)
        return learned, self._people.canonical(chat), self._people.canonical(sender)

    def _at(self, info: Any) -> int:
        # A message's time is in milliseconds, unlike all other times that neonize tells.
        return int(info.Timestamp // 1000 or self._clock())

    def _learn(self, source: Any) -> bool:
        sender, chat = address(source.Sender), address(source.Chat)
        learned = self._people.learn(sender, address(source.SenderAlt))
        return self._people.learn(chat, address(source.RecipientAlt)) or learned


def retargeted(said: Content, known_as: Callable[[str], str | None]) -> Content:
    """The content with the ids of this service's own messages translated, where they are known."""
    if isinstance(said, Notice):  # it is about those of others
        return said
    if isinstance(said, Change):
        return replace(said, target=_translated(said.target, known_as))
    quote = said.reply_to
    if quote is None:
        return said
    return replace(said, reply_to=replace(quote, target=_translated(quote.target, known_as)))


def _translated(target: Target, known_as: Callable[[str], str | None]) -> Target:
    if target.sender is not None:
        return target
    return replace(target, message_id=known_as(target.message_id) or target.message_id)


def address(jid: Any) -> Address:
    """The address of one of the library's JIDs; of none, one that is nobody's."""
    named = Address(jid.User, jid.Server or "", jid.Device)
    return Address.parse(str(named)) if named.is_person or named.server == GROUP else named
