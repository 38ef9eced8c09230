"""Handles one incoming stanza of any kind in a session-file transaction; returns the acks and receipts to send."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import structlog

from actors.connection.native.calls import learn_caller
from actors.connection.native.receive.ciphertexts import Ciphers, can_be_read, nack_error
from actors.connection.native.receive.notifications import Notifications
from actors.connection.native.signal import prekey_bundles
from actors.connection.protocol.decryption_errors import Undecryptable
from actors.connection.protocol.receive import receipts
from actors.connection.protocol.receive.message_source import Unparseable, source_of
from actors.connection.protocol.receive.messages.message_receiver import (
    MembersWanted,
    MessageReceiver,
)
from actors.connection.protocol.receive.messages.stanza_result import StanzaResult
from actors.connection.protocol.wire_format.nodes import MalformedMessage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from actors.connection.native.identities.devices import Devices
    from actors.connection.native.signal.device_sessions import Signal
    from actors.connection.protocol.identities.group_members import MemberLists
    from actors.connection.protocol.identities.lid_mapping import LidMapping
    from actors.connection.protocol.media.picture_cache import PictureCache
    from actors.connection.protocol.receive.message_source import MessageSource
    from actors.connection.protocol.wire_format.nodes import Node
    from actors.connection.session.session import Session

log = structlog.get_logger()

IGNORED: Final = frozenset({"appdata", "status"})
"""Tags of stanzas that are acknowledged and not read, as updates of people's status."""

MAX_RETRIES: Final = 5
"""Requests to a sender to encrypt one message again, at most."""

PHONE_DELAY, PHONE_DELAY_AFTER_SENDER = 1.0, 65.0
"""Seconds until the phone is asked for a message without its content, and for one that was asked of its sender."""


class StanzaHandler:
    """Takes stanzas one by one, each inside its own savepoint of the session's transaction.

    A message is decrypted once: its ratchet step, its prekey and its inbox row commit together,
    and one that comes again is only acknowledged again (G5). With `hold` that happens once it is
    stored elsewhere, so that it outlives this disk.
    """

    def __init__(
        self,
        session: Session,
        signal: Signal,
        people: LidMapping,
        devices: Devices,
        rosters: MemberLists,
        *,
        clock: Callable[[], float],
        hold: bool = False,
        active: Callable[[], bool] = lambda: True,
        pictures: PictureCache | None = None,
    ) -> None:
        """`active`: whether senders are to see that their messages were delivered."""
        self._hold, self._active = hold, active
        self._session = session
        self._signal = signal
        self._people = people
        self._devices = devices
        self._rosters = rosters
        self._ciphers = Ciphers(session, signal, people)
        self._notices = Notifications(
            session, signal, people, devices, rosters, clock=clock, pictures=pictures
        )
        self._messages = MessageReceiver(session, people, rosters, clock=clock, hold=hold)
        self.abandon, self.lapse = self._messages.abandon, self._messages.lapse
        self.untold = self._messages.untold
        self._given: set[str] = set()
        """Devices that were given keys for a new session, and of which nothing was read since."""

    async def take(self, stanza: Node) -> StanzaResult:
        """Apply one stanza. Raises nothing for what a stanza may contain."""
        if not stanza.attrs.get("id") or not stanza.attrs.get("from"):
            # There is nothing that an ack could name.
            return StanzaResult("stanza.nameless")
        self._messages.edits.take_joined()  # those of a stanza that failed
        learned = self._people.learn_from(stanza)
        outcome = await self._taken(stanza)
        opened = self._messages.edits.take_joined()
        if not learned and not opened:
            return outcome
        return replace(outcome, news=True, moved=(*outcome.moved, *opened))

    async def prepare(self, stanza: Node, *, others: bool = False) -> None:
        """Compute what reading a message takes, outside the transaction in which it is taken. `others`: as `Ciphers.prepare`."""
        source = self._source(stanza)
        if source is not None and not self._session.inbox.committed(
            *self._messages.key(stanza, source)
        ):
            await self._ciphers.prepare(stanza, source, others=others)

    def forget_prepared(self) -> None:
        """Drop the results of trials that no transaction committed."""
        self._ciphers.forget_prepared()

    def postpone(self, stanza: Node) -> StanzaResult:
        """Learn what a stanza says of its sender, who is then prepared for by today's name."""
        return StanzaResult("message.postponed", news=self._people.learn_from(stanza))

    async def take_unprepared(self, stanza: Node) -> StanzaResult:
        """Take a message as one that cannot be read: its keys changed while it was prepared."""
        source = self._source(stanza)
        if source is None:
            return self.refuse(stanza)
        return self._undecryptable(stanza, source, Undecryptable("over_budget"))

    def _device(self, source: MessageSource) -> str:
        return str(self._people.session_address(source.sender))

    def _source(self, stanza: Node) -> MessageSource | None:
        """The source of a message; None of any other stanza."""
        try:
            return source_of(stanza, self._people) if stanza.tag == "message" else None
        except Unparseable:
            return None

    async def _taken(self, stanza: Node) -> StanzaResult:
        if stanza.tag == "message":
            return await self._message(stanza)
        if stanza.tag == "receipt":
            return self._notices.receipt(stanza)
        if stanza.tag == "notification":
            return self._notices.notification(stanza)
        if stanza.tag == "call":
            news = learn_caller(self._people, stanza)
            return StanzaResult("call.heard", (receipts.ack(stanza),), news=news, task="call")
        if stanza.tag in IGNORED:
            return StanzaResult(f"{stanza.tag}.ignored", (receipts.ack(stanza),))
        log.warning("unknown stanza", action="stanza.unrecognized", stanza=stanza.tag)
        nack = receipts.nack(stanza, receipts.UNRECOGNIZED)
        return StanzaResult("stanza.unrecognized", (nack,))

    def refuse(self, stanza: Node) -> StanzaResult:
        """Refuse a stanza that cannot be handled, or it comes for ever; of a message a placeholder stays."""
        answers = (receipts.nack(stanza, receipts.UNHANDLED),)
        source = self._source(stanza)
        if source is None:
            return StanzaResult("stanza.failed", answers)
        return self._messages.put_placeholder(stanza, source, answers)

    async def _message(self, stanza: Node) -> StanzaResult:
        try:
            source = source_of(stanza, self._people)
        except Unparseable:
            log.warning("message without a valid sender", action="message.unparseable")
            nack = receipts.nack(stanza, receipts.UNPARSEABLE)
            return StanzaResult("message.unparseable", (nack,))
        if source is None:
            return StanzaResult("message.ignored", (receipts.ack(stanza),))
        if source.from_me:
            name = stanza.attrs.get("notify", "")
            self._session.push_names.save(str(self._people.account), name)
        return await self._message_of(stanza, source)

    async def _message_of(self, stanza: Node, source: MessageSource) -> StanzaResult:
        active = self._active()
        answers = receipts.delivered(stanza, from_me=source.from_me, active=active)
        if (repeated := self._messages.repeated(stanza, source, answers)) is not None:
            return repeated
        await self._ciphers.take_keys(stanza, source)
        try:
            with self._session.savepoint():
                plaintext = await self._ciphers.decrypt(stanza, source)
                found = self._messages.read(source, plaintext)
        except MembersWanted:
            return StanzaResult("message.roster_wanted", task="roster")
        except (Undecryptable, MalformedMessage) as error:
            return self._undecryptable(stanza, source, error)
        self._given.discard(self._device(source))
        return self._messages.take(stanza, source, plaintext, found, answers)

    def _undecryptable(
        self, stanza: Node, source: MessageSource, error: Undecryptable | MalformedMessage
    ) -> StanzaResult:
        if (code := nack_error(stanza, error)) is not None:
            # Its sender would encrypt the same again.
            log.warning("refused message", action="message.refused", code=code)
            return self._messages.put_placeholder(stanza, source, (receipts.nack(stanza, code),))
        assert isinstance(error, Undecryptable)
        key = self._messages.key(stanza, source)
        count = self._session.sent.count_retry("asked", *key)
        log.warning(
            "undecryptable message",
            action="message.undecryptable",
            reason=error.reason,
            count=count,
        )
        own = self._session.credentials.read()
        # WhatsApp keeps the copy of an own message until the receipt comes, whatever the ack says.
        copied = source.from_me and stanza.attrs.get("category") != "peer"
        answers = receipts.delivered(stanza, from_me=True) if copied else (receipts.ack(stanza),)
        if count > MAX_RETRIES or own is None or not can_be_read(stanza, source):
            return self._messages.put_placeholder(stanza, source, answers)
        self._messages.want(stanza, source)
        # Keys for each of many would have the sender begin a session for each, and forget those that it reads us by.
        device = self._device(source)
        keys: Sequence[Node] = ()
        if count > 1 or device not in self._given:
            self._given.add(device)
            (prekey,) = self._signal.make_prekeys(1)
            keys = prekey_bundles.for_retry(own, prekey)
        request = receipts.retry(
            stanza, count=count, registration_id=own.registration_id, keys=keys
        )
        held = self._messages.held(*key)
        return StanzaResult(
            "message.asked_for", answers, (request,), wanted=stanza, held=held, task="placeholder"
        )
