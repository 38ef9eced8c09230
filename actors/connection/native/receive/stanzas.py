"""Changes by an incoming stanza, inside a transaction, and its answers once that committed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import structlog

from actors.connection.native.calls import learn_caller
from actors.connection.native.identities.addresses import GROUP, Address
from actors.connection.native.phone.placeholder_resend import may_be_had
from actors.connection.native.phone.resent_messages import ResentMessages
from actors.connection.native.receive import receipts, wrappers
from actors.connection.native.receive.ciphertexts import Ciphers, can_be_read, refusal
from actors.connection.native.receive.from_proto import takes_back_anothers
from actors.connection.native.receive.message_source import Unparseable, arrival, source_of
from actors.connection.native.receive.messages.inbox_writer import InboxWriter
from actors.connection.native.receive.notifications import Notices, Outcome
from actors.connection.native.signal import prekey_bundles
from actors.connection.native.signal.refusals import Undecryptable
from actors.connection.native.transport.nodes import MalformedMessage
from actors.connection.session.inbox import UNDECRYPTABLE
from actors.messages.content import Other

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.connection.native.identities.devices import Devices
    from actors.connection.native.identities.group_members import Rosters
    from actors.connection.native.identities.lid_mapping import People
    from actors.connection.native.receive.message_source import Source
    from actors.connection.native.signal.device_sessions import Signal
    from actors.connection.native.transport.nodes import Node
    from actors.connection.session.session import Session

log = structlog.get_logger()

IGNORED: Final = frozenset({"appdata", "status"})
"""Tags of stanzas that are acknowledged and not read, as updates of people's status."""

MAX_RETRIES: Final = 5
"""Requests to a sender to encrypt one message again, at most."""

PHONE_DELAY, PHONE_DELAY_AFTER_SENDER = 1.0, 65.0
"""Seconds until the phone is asked for a message without its content, and for one that was asked of its sender."""


class _RosterWanted(Exception):  # noqa: N818 - reads as what it is
    """Whether the message counts depends on who is in the group, which is not known."""


class Incoming:
    """Takes stanzas one by one, each inside its own savepoint of the session's transaction.

    A message is decrypted once: its ratchet step, its prekey and its inbox row commit together,
    and one that comes again is only acknowledged again (G5). With `hold` that happens once it is
    stored elsewhere, so that it outlives this disk.
    """

    def __init__(
        self,
        session: Session,
        signal: Signal,
        people: People,
        devices: Devices,
        rosters: Rosters,
        *,
        clock: Callable[[], float],
        hold: bool = False,
        active: Callable[[], bool] = lambda: True,
    ) -> None:
        """`active`: whether senders are to see that their messages were delivered."""
        self._hold, self._active = hold, active
        self._session = session
        self._signal = signal
        self._people = people
        self._devices = devices
        self._rosters = rosters
        self._ciphers = Ciphers(session, signal, people)
        self._notices = Notices(session, signal, people, devices, rosters, clock=clock)
        self._inbox = InboxWriter(session, people, rosters, clock=clock, hold=hold)
        self._resent = ResentMessages(session, people)
        self._clock = clock
        self.untold: set[Address] = set()
        """Groups that WhatsApp does not tell of: nobody is taken for an admin there."""

    async def take(self, stanza: Node) -> Outcome:
        """Apply one stanza. Raises nothing for what a stanza may contain."""
        if not stanza.attrs.get("id") or not stanza.attrs.get("from"):
            # There is nothing that an ack could name.
            return Outcome("stanza.nameless")
        self._inbox.edits.take_joined()  # those of a stanza that failed
        learned = self._people.learn_from(stanza)
        outcome = await self._taken(stanza)
        opened = self._inbox.edits.take_joined()
        if not learned and not opened:
            return outcome
        return replace(outcome, news=True, moved=(*outcome.moved, *opened))

    async def prepare(self, stanza: Node) -> None:
        """Compute what reading a message takes, outside the transaction in which it is taken."""
        source = self._source(stanza)
        if source is not None and not self._session.seen(*self._inbox.key(stanza, source)):
            await self._ciphers.prepare(stanza, source)

    def forget_prepared(self) -> None:
        self._ciphers.forget_prepared()

    def postpone(self, stanza: Node) -> Outcome:
        """Learn what a stanza says of its sender, who is then prepared for by today's name."""
        return Outcome("message.postponed", news=self._people.learn_from(stanza))

    async def ask_again(self, stanza: Node) -> Outcome:
        """Take a message as one that cannot be read: its keys changed while it was prepared."""
        source = self._source(stanza)
        if source is None:
            return self.refuse(stanza)
        return self._undecryptable(stanza, source, Undecryptable("over_budget"))

    def _source(self, stanza: Node) -> Source | None:
        """The source of a message; None of any other stanza."""
        try:
            return source_of(stanza, self._people) if stanza.tag == "message" else None
        except Unparseable:
            return None

    async def _taken(self, stanza: Node) -> Outcome:
        if stanza.tag == "message":
            return await self._message(stanza)
        if stanza.tag == "receipt":
            return self._notices.receipt(stanza)
        if stanza.tag == "notification":
            return self._notices.notification(stanza)
        if stanza.tag == "call":
            news = learn_caller(self._people, stanza)
            return Outcome("call.heard", (receipts.ack(stanza),), news=news, task="call")
        if stanza.tag in IGNORED:
            return Outcome(f"{stanza.tag}.ignored", (receipts.ack(stanza),))
        log.warning("unknown stanza", action="stanza.unrecognized", stanza=stanza.tag)
        nack = receipts.nack(stanza, receipts.UNRECOGNIZED)
        return Outcome("stanza.unrecognized", (nack,))

    def give_up(self, stanza: Node) -> Outcome:
        """Put a placeholder where no resend came; one that comes later still replaces it.

        The stanza is answered already, or will be once the placeholder is stored elsewhere.
        """
        source = source_of(stanza, self._people)
        if source is None or self._session.seen(*self._inbox.key(stanza, source)):
            return Outcome("message.repeated")
        return self._put_placeholder(stanza, source)

    def refuse(self, stanza: Node) -> Outcome:
        """Refuse a stanza that cannot be handled, or it comes for ever; of a message a placeholder stays."""
        answers = (receipts.nack(stanza, receipts.UNHANDLED),)
        source = self._source(stanza)
        if source is None:
            return Outcome("stanza.failed", answers)
        return self._put_placeholder(stanza, source, answers)

    def _put_placeholder(
        self, stanza: Node, source: Source, answers: tuple[Node, ...] = ()
    ) -> Outcome:
        """Store a placeholder for the message, unless it is there; a resend replaces it."""
        added = self._inbox.add(stanza, source, Other(UNDECRYPTABLE))
        counted = "message.placeholder" if added else "message.repeated"
        held = self._inbox.held(*self._inbox.key(stanza, source)) if answers else None
        if added:
            self._ask_phone(stanza, source, PHONE_DELAY)
        return Outcome(counted, answers, news=added, held=held, task="placeholder")

    def _ask_phone(self, stanza: Node, source: Source, delay: float) -> None:
        """Have the phone be asked for the message after so many seconds, if it has not come by then."""
        if stanza.attrs.get("category") != "peer":
            ask_at = self._clock() + delay if may_be_had(stanza, self._clock()) else None
            key = self._inbox.key(stanza, source)
            self._session.note_placeholder(*key, stanza=stanza.attrs, ask_at=ask_at)

    def lapse(self, patience: float) -> Outcome:
        """As `give_up`, for all that was last asked for so many seconds ago, on whatever socket."""
        shown = self._session.show_wanted(self._clock() - patience)
        return Outcome("message.placeholder" if shown else "message.repeated", news=shown > 0)

    async def _message(self, stanza: Node) -> Outcome:
        try:
            source = source_of(stanza, self._people)
        except Unparseable:
            log.warning("message of nobody", action="message.unparseable")
            nack = receipts.nack(stanza, receipts.UNPARSEABLE)
            return Outcome("message.unparseable", (nack,))
        if source is None:
            return Outcome("message.ignored", (receipts.ack(stanza),))
        if source.from_me:
            name = stanza.attrs.get("notify", "")
            self._session.save_push_name(str(self._people.account), name)
        return await self._message_of(stanza, source)

    async def _message_of(self, stanza: Node, source: Source) -> Outcome:
        active = self._active()
        answers = receipts.delivered(stanza, from_me=source.from_me, active=active)
        if self._session.seen(*self._inbox.key(stanza, source)):
            if self._hold and self._session.has_history(stanza.attrs["id"]):
                return Outcome("message.repeated", task="history")
            held = self._inbox.held(*self._inbox.key(stanza, source))
            return Outcome("message.repeated", answers, held=held)
        await self._ciphers.take_keys(stanza, source)
        try:
            with self._session.savepoint():
                plaintext = await self._ciphers.decrypt(stanza, source)
                found = wrappers.read(plaintext)
                self._require_roster(source, found)
        except _RosterWanted:
            return Outcome("message.roster_wanted", task="roster")
        except (Undecryptable, MalformedMessage) as error:
            return self._undecryptable(stanza, source, error)
        if found is None:
            self._session.bury(**self._inbox.key(stanza, source)._asdict())
            self._inbox.set_timer(stanza, source, plaintext)
            of_phone = self._is_phone(source)
            resent = self._resent.take(plaintext, answers, self._inbox.store) if of_phone else None
            if resent is not None:
                return resent
            told = wrappers.history_in(plaintext) if of_phone else None
            if told is not None:
                self._session.add_history(stanza.attrs["id"], told)
                # With `hold` it is answered by whoever stores what it tells.
                return Outcome("message.history", () if self._hold else answers, task="history")
            return Outcome("message.silent", answers)
        return replace(self._inbox.store(stanza, source, found, plaintext), answers=answers)

    def _require_roster(self, source: Source, found: wrappers.Received | None) -> None:
        """Raises `_RosterWanted` where it takes the roster to know whether the message counts."""
        if (
            found is not None
            and source.chat.server == GROUP
            and takes_back_anothers(found)
            and source.chat not in self.untold
            and self._rosters.cached(source.chat) is None
        ):
            raise _RosterWanted

    def _is_phone(self, source: Source) -> bool:
        return source.from_me and source.sender.device == 0

    def _undecryptable(
        self, stanza: Node, source: Source, error: Undecryptable | MalformedMessage
    ) -> Outcome:
        if (code := refusal(stanza, error)) is not None:
            # Its sender would encrypt the same again.
            log.warning("refused message", action="message.refused", code=code)
            return self._put_placeholder(stanza, source, (receipts.nack(stanza, code),))
        assert isinstance(error, Undecryptable)
        key = self._inbox.key(stanza, source)
        count = self._session.count_retry("asked", *key)
        log.warning(
            "undecryptable message",
            action="message.undecryptable",
            reason=error.reason,
            count=count,
        )
        own = self._session.credentials()
        # WhatsApp keeps the copy of an own message until the receipt comes, whatever the ack says.
        copied = source.from_me and stanza.attrs.get("category") != "peer"
        answers = receipts.delivered(stanza, from_me=True) if copied else (receipts.ack(stanza),)
        if count > MAX_RETRIES or own is None or not can_be_read(stanza, source):
            return self._put_placeholder(stanza, source, answers)
        self._session.want(
            **key._asdict(),
            at=self._inbox.at(stanza),
            from_me=source.from_me,
            push_name=stanza.attrs.get("notify"),
            source=arrival(stanza),
        )
        self._ask_phone(stanza, source, PHONE_DELAY_AFTER_SENDER)
        (prekey,) = self._signal.make_prekeys(1)
        asked = receipts.retry(
            stanza,
            count=count,
            registration_id=own.registration_id,
            keys=prekey_bundles.for_retry(own, prekey),
        )
        held = self._inbox.held(*key)
        return Outcome(
            "message.asked_for", answers, (asked,), wanted=stanza, held=held, task="placeholder"
        )
