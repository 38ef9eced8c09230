"""Applies incoming receipts and notifications to the session file in a transaction; returns the acks to send."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from actors.connection.protocol.administration import group_news, picture_news
from actors.connection.protocol.identities.addresses import GROUP, Address, parse_optional
from actors.connection.protocol.limits import limit_enforcement, limit_queries
from actors.connection.protocol.media import reupload_request
from actors.connection.protocol.media.failure_policy import GONE_ERROR
from actors.connection.protocol.media.media_fields import is_path
from actors.connection.protocol.receive import receipts
from actors.connection.protocol.receive.messages.receipt_writer import ReceiptWriter
from actors.connection.protocol.receive.messages.stanza_result import StanzaResult

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from actors.connection.native.identities.devices import Devices
    from actors.connection.native.signal.device_sessions import Signal
    from actors.connection.protocol.identities.group_members import MemberLists
    from actors.connection.protocol.identities.lid_mapping import LidMapping
    from actors.connection.protocol.media.picture_cache import PictureCache
    from actors.connection.protocol.wire_format.nodes import Node
    from actors.connection.session.session import Session


LOCK_CHANGED: Final = "reachout-timelock-update"
"""A notification that whatsapp-rust's issue 572 names, and nobody showed since: it says too little."""


class Notifications:
    """Takes receipts and notifications; each is on disk before it is acknowledged (G5)."""

    def __init__(
        self,
        session: Session,
        signal: Signal,
        people: LidMapping,
        devices: Devices,
        rosters: MemberLists,
        *,
        clock: Callable[[], float],
        pictures: PictureCache | None = None,
    ) -> None:
        self._session = session
        self._signal = signal
        self._people = people
        self._devices = devices
        self._rosters = rosters
        self._clock = clock
        self._group_news = group_news.GroupNewsWriter(session, people)
        self._picture_news = picture_news.PictureNewsWriter(
            session, people, self._group_news, pictures
        )
        self._receipts = ReceiptWriter(session, people, clock=clock)
        self.receipt = self._receipts.receipt
        self._by_kind: Mapping[str, Callable[[Node, tuple[Node, ...]], StanzaResult]] = {
            "mediaretry": self._uploaded_again,
            "mex": self._limited,
            "account_sync": self._synced,
            "picture": self._pictured,
        }

    def _group_changed(
        self, stanza: Node, chat: Address, answers: tuple[Node, ...]
    ) -> StanzaResult:
        """Somebody joined or left, or what a group is changed."""
        news, gone = self._rosters.note(chat, stanza)
        news |= self._receipts.leave_out(chat, gone, stanza.number("t") or int(self._clock()))
        notified = group_news.read_notification(stanza, self._people.account, self._clock())
        news |= self._group_news.note(chat, notified)
        return StanzaResult("notification.group", answers, news=news)

    def notification(self, stanza: Node) -> StanzaResult:
        """Apply a notification."""
        answers = (receipts.ack(stanza),)
        kind = stanza.attrs.get("type")
        if kind == "encrypt" and stanza.child("count") is not None:
            return StanzaResult("notification.prekeys", answers, task="prekeys")
        if (of_kind := self._by_kind.get(kind or "")) is not None:
            return of_kind(stanza, answers)
        if kind == LOCK_CHANGED:
            return StanzaResult("notification.lock_changed", answers, task="limit_query")
        person = parse_optional(stanza.attrs.get("from"))
        if kind == "w:gp2" and person is not None and person.server == GROUP:
            return self._group_changed(stanza, person, answers)
        if kind not in ("encrypt", "devices") or person is None or not person.is_person:
            return StanzaResult("notification.ignored", answers)
        person = self._people.canonical(person)
        self._devices.forget(person)
        if kind == "devices":
            return StanzaResult("notification.devices", answers)
        if stanza.child("identity") is None:
            return StanzaResult("notification.ignored", answers)
        # As WhatsApp's own clients do: the next key is believed, and what goes out from now on is
        # not encrypted for the installation that is gone.
        self._signal.distrust(str(person))
        self._session.groups.drop_own_sender_keys(str(person))
        return StanzaResult("notification.identity", answers)

    def _pictured(self, stanza: Node, answers: tuple[Node, ...]) -> StanzaResult:
        changes = picture_news.read_notification(stanza, self._clock())
        return StanzaResult("notification.picture", answers, news=self._picture_news.note(changes))

    def _synced(self, stanza: Node, answers: tuple[Node, ...]) -> StanzaResult:
        private = stanza.child("privacy") is not None
        if not private or stanza.child("devices") is not None:
            self._devices.forget(self._people.account)
        if private:
            return StanzaResult("notification.privacy", answers, task="privacy")
        return StanzaResult("notification.devices", answers)

    def _limited(self, stanza: Node, answers: tuple[Node, ...]) -> StanzaResult:
        """Most of mex is about channels, and is left alone."""
        limits = limit_queries.notified(stanza, self._clock())
        if not limits:
            return StanzaResult("notification.ignored", answers)
        limit_enforcement.note(self._session, limits)
        return StanzaResult("notification.limits", answers, task="limits")

    def _uploaded_again(self, stanza: Node, answers: tuple[Node, ...]) -> StanzaResult:
        """The account's phone was asked for a file that the servers lost."""
        for transfer in self._session.downloads.of_message(stanza.attrs["id"]):
            found = reupload_request.answer(stanza, transfer)
            if found is None:
                continue
            if found.direct_path is None:
                self._session.downloads.end(transfer, "failed", GONE_ERROR)
                return StanzaResult("notification.file_lost", answers, news=True)
            if is_path(found.direct_path):
                self._session.downloads.relocate(transfer, found.direct_path)
                return StanzaResult("notification.file", answers, task="file")
        return StanzaResult("notification.ignored", answers)
