"""Changes by receipts and notifications, inside a transaction, and the outcome of a stanza."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from actors.connection.native.identities.addresses import GROUP, Address, parse_optional
from actors.connection.native.limits import account, mex
from actors.connection.native.media import reupload_request
from actors.connection.native.media.failure_policy import GONE
from actors.connection.native.media.message_part import is_path
from actors.connection.native.receive import receipts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from actors.connection.native.identities.devices import Devices
    from actors.connection.native.identities.group_members import Rosters
    from actors.connection.native.identities.lid_mapping import People
    from actors.connection.native.signal.device_sessions import Signal
    from actors.connection.native.transport.nodes import Node
    from actors.connection.session.session import Session


LOCK_CHANGED: Final = "reachout-timelock-update"
"""A notification that whatsapp-rust's issue 572 names, and nobody showed since: it says too little."""


Task = Literal[
    "resend",
    "prekeys",
    "roster",
    "file",
    "history",
    "placeholder",
    "privacy",
    "limits",
    "ask",
    "call",
]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The consequences of a stanza once its transaction is committed.

    `answers` are sent, where there is a `held` only once the inbox item of that key is settled;
    `at_once` are sent before them and wait for nothing else; `news` says that the inbox may have
    grown; `moved` are pairs of keys, of an item that may have held answers and of the one in its place;
    `wanted` is a message whose resend was asked for; `task` is work that needs WhatsApp's
    answers: a retry receipt, prekeys, a file, a history, a placeholder, other privacy settings, limits of
    the account to tell or to ask for, a call, or who is in a group, without which the stanza cannot be judged. `counted`
    names what the stanza turned out to be.
    """

    counted: str
    answers: tuple[Node, ...] = ()
    at_once: tuple[Node, ...] = ()
    news: bool = False
    wanted: Node | None = None
    task: Task | None = None
    held: int | None = None
    moved: Sequence[tuple[int | None, int | None]] = ()


class Notices:
    """Takes receipts and notifications; each is on disk before it is acknowledged (G5)."""

    def __init__(
        self,
        session: Session,
        signal: Signal,
        people: People,
        devices: Devices,
        rosters: Rosters,
        *,
        clock: Callable[[], float],
    ) -> None:
        self._session = session
        self._signal = signal
        self._people = people
        self._devices = devices
        self._rosters = rosters
        self._clock = clock

    def receipt(self, stanza: Node) -> Outcome:
        """Apply a receipt."""
        receipt = receipts.read(stanza)
        sender = parse_optional(stanza.attrs.get("from"))
        in_group = sender is not None and sender.server == GROUP
        member = parse_optional(stanza.attrs.get("participant"))
        if sender is None or (in_group and member is None and not stanza.children("participants")):
            nack = receipts.nack(stanza, receipts.UNPARSEABLE)
            return Outcome("receipt.unparseable", (nack,))
        if receipt.status == "retry":
            return Outcome("receipt.retry", task="resend")
        answers = (receipts.ack(stanza),)
        if (read := self._read_elsewhere(stanza, sender, member)) is not None:
            self._session.read_elsewhere(str(read), receipt.message_ids)
            return Outcome("receipt.own_reading", answers)
        if in_group:
            return self._group_receipt(stanza, sender, answers)
        if receipt.status is None or not sender.is_person or self._people.is_account(sender):
            return Outcome("receipt.ignored", answers)
        chat, at = str(self._people.canonical(sender)), receipt.at or int(self._clock())
        self._note(chat, receipt.message_ids, receipt.status, at)
        return Outcome("receipt.stored", answers, news=True)

    def _read_elsewhere(
        self, stanza: Node, sender: Address, member: Address | None
    ) -> Address | None:
        """The chat of which another device of the account read messages; None for other receipts."""
        if stanza.attrs.get("type") not in receipts.OWN_READING:
            return None
        if sender.server == GROUP:
            return sender if member is not None and self._people.is_account(member) else None
        chat = parse_optional(stanza.attrs.get("recipient"))
        if chat is None or not self._people.is_account(sender):
            return None
        return self._people.canonical(chat)

    def _note(
        self, chat: str, message_ids: Sequence[str], status: Literal["delivered", "read"], at: int
    ) -> None:
        self._session.add_receipt(chat=chat, message_ids=message_ids, status=status, at=at)
        # WhatsApp tells every device of the account, whichever of them sent the message, and in
        # the same words.
        for message_id in message_ids:
            if self._session.sent_plaintext(chat, message_id) is None:
                self._session.add_status(
                    chat=chat,
                    sender=str(self._people.account),
                    message_id=message_id,
                    status=status,
                    at=at,
                )

    def _group_receipt(self, stanza: Node, chat: Address, answers: tuple[Node, ...]) -> Outcome:
        """As in WhatsApp's clients a group has a message when all have it whom it was for."""
        news = False
        for named, receipt in receipts.of_members(stanza):
            member = parse_optional(named)
            if member is None or receipt.status not in ("delivered", "read"):
                continue
            person, at = self._people.canonical(member), receipt.at or int(self._clock())
            for message_id in receipt.message_ids:
                reached = self._session.note_receipt(
                    str(chat), message_id, str(person), receipt.status
                )
                for status in reached:
                    news = True
                    self._note(str(chat), (message_id,), status, at)
        return Outcome("receipt.stored" if news else "receipt.noted", answers, news=news)

    def _group_changed(self, stanza: Node, chat: Address, answers: tuple[Node, ...]) -> Outcome:
        """Somebody joined or left, or what a group is changed."""
        news, gone = self._rosters.note(chat, stanza)
        at = stanza.number("t") or int(self._clock())
        for person in gone:
            for message_id, reached in self._session.leave_out(str(chat), str(person)):
                for status in reached:
                    news = True
                    self._note(str(chat), (message_id,), status, at)
        return Outcome("notification.group", answers, news=news)

    def notification(self, stanza: Node) -> Outcome:
        """Apply a notification."""
        answers = (receipts.ack(stanza),)
        kind = stanza.attrs.get("type")
        if kind == "encrypt" and stanza.child("count") is not None:
            return Outcome("notification.prekeys", answers, task="prekeys")
        if kind == "mediaretry":
            return self._uploaded_again(stanza, answers)
        if kind == "mex":
            return self._limited(stanza, answers)
        if kind == LOCK_CHANGED:
            return Outcome("notification.lock_changed", answers, task="ask")
        person = parse_optional(stanza.attrs.get("from"))
        if kind == "w:gp2" and person is not None and person.server == GROUP:
            return self._group_changed(stanza, person, answers)
        if kind == "account_sync":
            return self._synced(stanza, answers)
        if kind not in ("encrypt", "devices") or person is None or not person.is_person:
            return Outcome("notification.ignored", answers)
        person = self._people.canonical(person)
        self._devices.forget(person)
        if kind == "devices":
            return Outcome("notification.devices", answers)
        if stanza.child("identity") is None:
            return Outcome("notification.ignored", answers)
        # As WhatsApp's own clients do: the next key is believed, and what goes out from now on is
        # not encrypted for the installation that is gone.
        self._signal.distrust(str(person))
        self._session.drop_own_sender_keys(str(person))
        return Outcome("notification.identity", answers)

    def _synced(self, stanza: Node, answers: tuple[Node, ...]) -> Outcome:
        private = stanza.child("privacy") is not None
        if not private or stanza.child("devices") is not None:
            self._devices.forget(self._people.account)
        if private:
            return Outcome("notification.privacy", answers, task="privacy")
        return Outcome("notification.devices", answers)

    def _limited(self, stanza: Node, answers: tuple[Node, ...]) -> Outcome:
        """Most of mex is about channels, and is left alone."""
        told = mex.notified(stanza, self._clock())
        if not told:
            return Outcome("notification.ignored", answers)
        account.note(self._session, told)
        return Outcome("notification.limits", answers, task="limits")

    def _uploaded_again(self, stanza: Node, answers: tuple[Node, ...]) -> Outcome:
        """The account's phone was asked for a file that the servers lost."""
        for transfer in self._session.transfers_of(stanza.attrs["id"]):
            found = reupload_request.answer(stanza, transfer)
            if found is None:
                continue
            if found.direct_path is None:
                self._session.end_transfer(transfer, "failed", GONE)
                return Outcome("notification.file_lost", answers, news=True)
            if is_path(found.direct_path):
                self._session.find_transfer_at(transfer, found.direct_path)
                return Outcome("notification.file", answers, task="file")
        return Outcome("notification.ignored", answers)
