"""Applies one delivery of the whatsmeow program (message, receipt, app state …) to the session file; returns the answer."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import structlog

from actors.connection.protocol.administration import group_news, picture_news
from actors.connection.protocol.identities.addresses import Address, parse_optional
from actors.connection.protocol.limits import limit_enforcement, limit_queries
from actors.connection.protocol.media import reupload_request
from actors.connection.protocol.media.failure_policy import GONE_ERROR
from actors.connection.protocol.media.media_fields import is_path
from actors.connection.protocol.phone import placeholder_resend
from actors.connection.protocol.receive.message_source import Unparseable, source_of
from actors.connection.protocol.receive.messages.message_receiver import (
    MembersWanted,
    MessageReceiver,
)
from actors.connection.protocol.receive.messages.receipt_writer import ReceiptWriter
from actors.connection.protocol.receive.messages.stanza_result import StanzaResult
from actors.connection.protocol.wire_format.nodes import MalformedMessage, Node
from actors.connection.whatsmeow import app_state
from actors.connection.whatsmeow.to_nodes import ProgramDelivery

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from actors.connection.protocol.identities.group_members import MemberLists
    from actors.connection.protocol.identities.lid_mapping import LidMapping
    from actors.connection.protocol.media.picture_cache import PictureCache
    from actors.connection.session.session import Session

log = structlog.get_logger()

MAX_RETRIES: Final = 4
"""Requests to a sender to encrypt one message again, at most; the program asks."""

RESEND_REQUEST: Final = "undecryptable"
"""The program's word for a message whose sender it asks to encrypt it again."""


class DeliveryHandler:
    """Takes deliveries one by one, each inside its own savepoint of the session's transaction.

    The program acknowledges what was answered, and nothing else: a committed delivery is there exactly
    once, any other one comes again (G5).
    """

    def __init__(
        self,
        session: Session,
        people: LidMapping,
        rosters: MemberLists,
        *,
        clock: Callable[[], float],
        hold: bool = False,
        pictures: PictureCache | None = None,
    ) -> None:
        self._session = session
        self._people = people
        self._rosters = rosters
        self._clock = clock
        self._messages = MessageReceiver(session, people, rosters, clock=clock, hold=hold)
        self._group_news = group_news.GroupNewsWriter(session, people)
        self._picture_news = picture_news.PictureNewsWriter(
            session, people, self._group_news, pictures
        )
        self._receipts = ReceiptWriter(session, people, clock=clock)
        self.abandon, self.lapse = self._messages.abandon, self._messages.lapse
        self.untold = self._messages.untold
        self._takes: Mapping[str, Callable[[ProgramDelivery], StanzaResult]] = {
            "message": self._message,
            "undecryptable": self._message,
            "history": self._history,
            "resent": self._resent,
            "receipt": self._receipt,
            "group": self._group,
            "picture": self._picture,
            "mex": self._mex,
            "media_retried": self._media_retried,
            "call": self._call,
            "app_state": self._app_state,
            "recipients": self._recipients,
        }

    async def take(self, stanza: Node) -> StanzaResult:
        """Apply one delivery; one of a kind that is not known changes nothing, and is answered."""
        assert isinstance(stanza, ProgramDelivery)
        self._messages.edits.take_joined()  # those of a delivery that failed
        learned = self._people.learn_from(stanza)
        take = self._takes.get(stanza.kind)
        outcome = (
            StanzaResult(f"{stanza.kind}.ignored", (stanza,)) if take is None else take(stanza)
        )
        opened = self._messages.edits.take_joined()
        if not learned and not opened:
            return outcome
        return replace(outcome, news=True, moved=(*outcome.moved, *opened))

    def is_stored(self, stanza: Node) -> bool:
        """Whether the message of these addresses is stored."""
        try:
            source = source_of(stanza, self._people)
        except Unparseable:
            return False
        return source is not None and self._session.inbox.committed(
            *self._messages.key(stanza, source)
        )

    def refuse(self, stanza: Node) -> StanzaResult:
        """Of a message that cannot be handled a placeholder stays."""
        try:
            source = source_of(stanza, self._people) if stanza.tag == "message" else None
        except Unparseable:
            source = None
        if source is None:
            return StanzaResult("stanza.failed", (stanza,))
        return self._messages.put_placeholder(stanza, source, (stanza,))

    def _message(self, stanza: ProgramDelivery) -> StanzaResult:
        try:
            source = source_of(stanza, self._people)
        except Unparseable:
            return StanzaResult("message.unparseable", (stanza,))
        if source is None:
            return StanzaResult("message.ignored", (stanza,))
        if source.from_me:
            name = stanza.attrs.get("notify", "")
            self._session.push_names.save(str(self._people.account), name)
        if (repeated := self._messages.repeated(stanza, source, (stanza,))) is not None:
            return repeated
        if stanza.kind == "undecryptable":
            return self._undecryptable(stanza)
        try:
            found = self._messages.read(source, stanza.body)
        except MembersWanted:
            return StanzaResult("message.roster_wanted", task="roster")
        except MalformedMessage:
            return self._messages.put_placeholder(stanza, source, (stanza,))
        return self._messages.take(stanza, source, stanza.body, found, (stanza,))

    def _undecryptable(self, stanza: ProgramDelivery) -> StanzaResult:
        source = source_of(stanza, self._people)
        assert source is not None
        key = self._messages.key(stanza, source)
        kind = stanza.report["kind"] if stanza.report else ""
        repeated = kind == RESEND_REQUEST
        count = self._session.sent.count_retry("asked", *key) if repeated else 0
        log.warning(
            "undecryptable message", action="message.undecryptable", reason=kind, count=count
        )
        if not repeated or count > MAX_RETRIES:
            return self._messages.put_placeholder(stanza, source, (stanza,))
        self._messages.want(stanza, source)
        # Never held: the program asks the sender once it is answered, and the resend is held.
        return StanzaResult("message.asked_for", (stanza,), wanted=stanza, task="placeholder")

    def _history(self, stanza: ProgramDelivery) -> StanzaResult:
        return self._messages.history(stanza.attrs["id"], stanza.body, (stanza,))

    def _resent(self, stanza: ProgramDelivery) -> StanzaResult:
        request = str((stanza.report or {}).get("request_id", ""))
        found = placeholder_resend.answer_of(request, stanza.body)
        return self._messages.resent(found, (stanza,))

    def _receipt(self, stanza: ProgramDelivery) -> StanzaResult:
        return replace(self._receipts.receipt(stanza), answers=(stanza,))

    def _group(self, stanza: ProgramDelivery) -> StanzaResult:
        """A group changed: its members are queried anew when they count; nobody waits for one who left."""
        report = stanza.report or {}
        chat = parse_optional(str(report.get("chat", "")))
        if chat is None:
            return StanzaResult("notification.ignored", (stanza,))
        self._rosters.forget(chat)
        self._rosters.note_subject(chat, str(report.get("subject") or ""))
        gone = (parse_optional(str(one)) for one in report.get("left") or ())
        persons = [self._people.canonical(one) for one in gone if one is not None]
        at = int(report.get("at") or self._clock())
        news = self._receipts.leave_out(chat, persons, at)
        read = group_news.read_delivery(report, self._people.account, self._clock())
        news |= self._group_news.note(chat, read)
        return StanzaResult("notification.group", (stanza,), news=news)

    def _picture(self, stanza: ProgramDelivery) -> StanzaResult:
        changes = picture_news.read_delivery(stanza.report or {}, self._clock())
        news = self._picture_news.note(changes)
        return StanzaResult("notification.picture", (stanza,), news=news)

    def _recipients(self, stanza: ProgramDelivery) -> StanzaResult:
        """The members whom the program is about to send a message of the account to; it waits for the answer.

        Its list of a group is newer than the session's, which is asked for anew then.
        """
        report = stanza.report or {}
        chat, number = Address.parse(str(report["chat"])), str(report["message_id"])
        found = (parse_optional(str(one)) for one in report.get("persons") or ())
        persons = {self._people.canonical(one) for one in found if one is not None}
        others = map(str, persons - {self._people.account})
        self._session.groups.expect_receipts(str(chat), number, others)
        roster = self._rosters.cached(chat)
        if roster is not None and persons != self._rosters.persons(roster).keys():
            self._rosters.forget(chat)
        return StanzaResult("recipients.noted", (stanza,))

    def _mex(self, stanza: ProgramDelivery) -> StanzaResult:
        limits = limit_queries.notified(
            Node("", {}, (Node("update", {}, stanza.body),)), self._clock()
        )
        if not limits:
            return StanzaResult("notification.ignored", (stanza,))
        limit_enforcement.note(self._session, limits)
        return StanzaResult("notification.limits", (stanza,), task="limits")

    def _call(self, stanza: ProgramDelivery) -> StanzaResult:
        """A call is stored nowhere: one that still rings comes again."""
        return StanzaResult("call.heard", (stanza,), task="call")

    def _app_state(self, stanza: ProgramDelivery) -> StanzaResult:
        """Note changes with the version that brings them; where some before them lack, ask for all."""
        report = stanza.report or {}
        found = app_state.read(report, stanza.body)
        session, collection, after = self._session, str(report["collection"]), report.get("after")
        begun = report.get("begun")
        if found.name is not None:
            session.push_names.save(str(self._people.account), found.name)
        if report.get("more"):
            begun = session.app_state.note_part(collection, found.changes, begun)
            return StanzaResult(
                "app_state.part", (replace(stanza, answer={"begun": begun}),), news=True
            )
        # A change after version 0, where the library has nothing, is one if the session has nothing either.
        fits = after != 0 or session.app_state.version(collection) == 0
        version, changes = int(report["version"]), found.changes
        if not fits or not session.app_state.note(
            collection, version, changes, after=after, begun=begun
        ):
            return StanzaResult("app_state.behind", (replace(stanza, answer={"whole": True}),))
        news = bool(found.changes) or after is None
        return StanzaResult("app_state.noted", (stanza,), news=news)

    def _media_retried(self, stanza: ProgramDelivery) -> StanzaResult:
        """The account's phone was asked for a file that the servers lost."""
        report = stanza.report or {}
        for transfer in self._session.downloads.of_message(str(report.get("message_id", ""))):
            if (code := report.get("error")) is not None:
                found = reupload_request.refused(str(code))
            else:
                iv = bytes.fromhex(str(report.get("iv", "")))
                found = reupload_request.opened(iv, stanza.body, transfer)
            if found is None:
                continue
            if found.direct_path is None:
                self._session.downloads.end(transfer, "failed", GONE_ERROR)
                return StanzaResult("notification.file_lost", (stanza,), news=True)
            if is_path(found.direct_path):
                self._session.downloads.relocate(transfer, found.direct_path)
                return StanzaResult("notification.file", (stanza,), task="file")
        return StanzaResult("notification.ignored", (stanza,))
