"""Takes decrypted messages into the session's inbox; undecryptable ones as placeholders."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from actors.connection.protocol.identities.addresses import GROUP, Address
from actors.connection.protocol.phone.placeholder_resend import may_be_had
from actors.connection.protocol.phone.resent_messages import ResentMessages
from actors.connection.protocol.receive import wrappers
from actors.connection.protocol.receive.from_proto import takes_back_anothers
from actors.connection.protocol.receive.message_source import arrival, source_of
from actors.connection.protocol.receive.messages.inbox_writer import InboxWriter
from actors.connection.protocol.receive.messages.stanza_result import StanzaResult
from actors.connection.session.received.inbox import UNDECRYPTABLE_ROW
from actors.messages.content import Other

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.connection.protocol.identities.group_members import MemberLists
    from actors.connection.protocol.identities.lid_mapping import LidMapping
    from actors.connection.protocol.phone.placeholder_resend import ResendAnswer
    from actors.connection.protocol.receive.message_source import MessageSource
    from actors.connection.protocol.wire_format.nodes import Node
    from actors.connection.session.session import Session

PHONE_DELAY, PHONE_DELAY_AFTER_SENDER = 1.0, 65.0
"""Seconds until the phone is asked for a message without its content, and for one that was asked of its sender."""


class MembersWanted(Exception):
    """Whether the message counts depends on who is in the group, which is not known."""


class MessageReceiver:
    """Takes messages that the program decrypted, each inside the transaction of its stanza (G5).

    One that comes again is only acknowledged again. With `hold` that happens once it is stored
    elsewhere, so that it outlives this disk.
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
        self._inbox = InboxWriter(session, people, rosters, clock=clock, hold=hold)
        self._resent = ResentMessages(session, people)
        self._clock = clock
        self._hold = hold
        self.key, self.held = self._inbox.key, self._inbox.held
        self.edits = self._inbox.edits
        self.untold: set[Address] = set()
        """Groups that WhatsApp does not tell of: nobody is taken for an admin there."""

    def repeated(
        self, stanza: Node, source: MessageSource, answers: tuple[Node, ...]
    ) -> StanzaResult | None:
        """The outcome of a message that is stored already; None for another one."""
        key = self.key(stanza, source)
        if not self._session.inbox.committed(*key):
            return None
        if self._hold and self._session.history_syncs.has(stanza.attrs["id"]):
            return StanzaResult("message.repeated", task="history")
        return StanzaResult("message.repeated", answers, held=self.held(*key))

    def read(self, source: MessageSource, plaintext: bytes) -> wrappers.Received | None:
        """The message in an unpadded plaintext; None where it is for the protocol only.

        Raises `MalformedMessage`, and `MembersWanted` where only the members show whether it counts.
        """
        found = wrappers.read(plaintext)
        if (
            found is not None
            and source.chat.server == GROUP
            and takes_back_anothers(found)
            and source.chat not in self.untold
            and self._rosters.cached(source.chat) is None
        ):
            raise MembersWanted
        return found

    def take(
        self,
        stanza: Node,
        source: MessageSource,
        plaintext: bytes,
        found: wrappers.Received | None,
        answers: tuple[Node, ...],
    ) -> StanzaResult:
        """Store a message, or apply what is for the protocol. Raises `MalformedMessage`."""
        if found is None:
            self._session.inbox.bury(**self.key(stanza, source)._asdict())
            self._inbox.set_timer(stanza, source, plaintext)
            return StanzaResult("message.silent", answers)
        return replace(self._inbox.store(stanza, source, found, plaintext), answers=answers)

    def resent(self, found: ResendAnswer, answers: tuple[Node, ...]) -> StanzaResult:
        """Put messages that the phone hands over in the place of their placeholders."""
        return self._resent.apply(found, answers, self._inbox.store)

    def history(
        self, message_id: str, notification: bytes, answers: tuple[Node, ...]
    ) -> StanzaResult:
        """Note the notification of a history sync, in the message of this id."""
        self._session.history_syncs.add(message_id, notification)
        # With `hold` the worker that stores its messages answers it.
        return StanzaResult("message.history", () if self._hold else answers, task="history")

    def put_placeholder(
        self, stanza: Node, source: MessageSource, answers: tuple[Node, ...] = ()
    ) -> StanzaResult:
        """Store a placeholder for the message, unless it is there; a resend replaces it."""
        added = self._inbox.add(stanza, source, Other(UNDECRYPTABLE_ROW))
        counted = "message.placeholder" if added else "message.repeated"
        held = self.held(*self.key(stanza, source)) if answers else None
        if added:
            self._schedule_resend(stanza, source, PHONE_DELAY)
        return StanzaResult(counted, answers, news=added, held=held, task="placeholder")

    def _schedule_resend(self, stanza: Node, source: MessageSource, delay: float) -> None:
        """Have the phone be asked for the message after so many seconds, if it has not come by then."""
        if stanza.attrs.get("category") != "peer":
            ask_at = self._clock() + delay if may_be_had(stanza, self._clock()) else None
            key = self.key(stanza, source)
            self._session.placeholders.note(*key, stanza=stanza.attrs, ask_at=ask_at)

    def want(self, stanza: Node, source: MessageSource) -> None:
        """Note that the sender is asked for the message; the phone is, if it has not come by then."""
        self._session.inbox.want(
            **self.key(stanza, source)._asdict(),
            at=self._inbox.at(stanza),
            from_me=source.from_me,
            push_name=stanza.attrs.get("notify"),
            source=arrival(stanza),
        )
        self._schedule_resend(stanza, source, PHONE_DELAY_AFTER_SENDER)

    def abandon(self, stanza: Node) -> StanzaResult:
        """Put a placeholder where no resend came; one that comes later still replaces it.

        The stanza is answered already, or will be once the placeholder is stored elsewhere.
        """
        source = source_of(stanza, self._people)
        if source is None or self._session.inbox.committed(*self.key(stanza, source)):
            return StanzaResult("message.repeated")
        return self.put_placeholder(stanza, source)

    def lapse(self, patience: float) -> StanzaResult:
        """As `abandon`, for all that was last asked for so many seconds ago, on whatever socket."""
        shown = self._session.inbox.show_wanted(self._clock() - patience)
        return StanzaResult("message.placeholder" if shown else "message.repeated", news=shown > 0)
