"""Combines all tables of an account's session file, for changes to several at once: address joins, expired rows, logout.

Changes that belong together are committed together, so that after a crash at any instruction either all of it
happened or none (G5).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.connection.session.chats.correspondents import Correspondents
from actors.connection.session.chats.disappearing_timers import DisappearingTimers
from actors.connection.session.chats.unread import UnreadMessages
from actors.connection.session.file import (
    SessionBlocked,
    SessionDamaged,
    SessionFile,
    SessionTooNew,
    SessionUnavailable,
    StaleEpoch,
    make_directory,
)
from actors.connection.session.files.file_details import SentFileDetails
from actors.connection.session.files.pending_downloads import Downloads
from actors.connection.session.files.uploads import Uploads
from actors.connection.session.identities.account_link import AccountLink
from actors.connection.session.identities.chat_renames import ChatRenames
from actors.connection.session.identities.contact_names import ContactNames
from actors.connection.session.identities.groups import Groups
from actors.connection.session.identities.lids import Lids
from actors.connection.session.identities.linked_device import LinkedDevices
from actors.connection.session.identities.push_names import PushNames
from actors.connection.session.messages.message_secrets import MessageSecrets
from actors.connection.session.messages.placeholders import Placeholders
from actors.connection.session.messages.sealed_edits import SealedEdits
from actors.connection.session.messages.sent_messages import SentMessages
from actors.connection.session.received.app_state import AppState
from actors.connection.session.received.chat_order import ChatOrder
from actors.connection.session.received.history_syncs import HistorySyncs
from actors.connection.session.received.inbox import Inbox
from actors.connection.session.received.inbox_moves import InboxMoves
from actors.connection.session.received.phone_message_receipts import PhoneMessageReceipts
from actors.connection.session.received.refused_rows import RefusedRows
from actors.redis.leases.lease_record import HeldItems

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from actors.connection.session.session_part import Expired

__all__ = [
    "Session",
    "SessionBlocked",
    "SessionDamaged",
    "SessionTooNew",
    "SessionUnavailable",
    "StaleEpoch",
    "make_directory",
]


class Session(SessionFile):
    """The session file of one account, and a part for each noun in it.

    Reading is allowed anywhere and sees what is committed; every method of a part that changes something
    must be called inside ``async with session.transaction()`` and raises `RuntimeError` otherwise.
    """

    on_join: Callable[[str], None] | None = None
    """Is called with a person whose addresses became one, at the end of what moves and in its transaction."""

    def __init__(self, path: Path, epoch: int, clock: Callable[[], float]) -> None:
        super().__init__(path, epoch, clock)
        self.linked_device = LinkedDevices(self)
        self.account_link = AccountLink(self)
        self.identities = Lids(self)
        self.names = ChatRenames(self, self.identities)
        self.push_names = PushNames(self)
        self.contact_names = ContactNames(self)
        self.groups = Groups(self)
        self.outreach = Correspondents(self)
        self.timers = DisappearingTimers(self)
        self.unread = UnreadMessages(self)
        self.sent = SentMessages(self)
        self.secrets = MessageSecrets(self)
        self.sealed_edits = SealedEdits(self)
        self.placeholders = Placeholders(self)
        self.downloads = Downloads(self)
        self.uploads = Uploads(self)
        self.file_details = SentFileDetails(self)
        self.history_syncs = HistorySyncs(self)
        self.app_state = AppState(self, self.names, self.contact_names)
        self.phone_statuses = PhoneMessageReceipts(self)
        self.refused = RefusedRows(self)
        self.order = ChatOrder(self)
        self.inbox = Inbox(
            self,
            phone_statuses=self.phone_statuses,
            downloads=self.downloads,
            outreach=self.outreach,
            placeholders=self.placeholders,
            app_state=self.app_state,
            push_names=self.push_names,
            order=self.order,
        )
        self.inbox_moves = InboxMoves(
            self, self.inbox, phone_statuses=self.phone_statuses, downloads=self.downloads
        )

    def held_items(self) -> HeldItems:
        """Return the numbers of items that are held back; `refused_full` is the drain's to set."""
        return HeldItems(self.refused.count(), *self.downloads.deferred())

    def learn_lid(self, lid: str, pn: str) -> bool:
        """Note that two canonical addresses are one person's; True where that is news.

        The newest pair wins. Rows under the LID move to the phone-number address, the
        device staying the same: the inbox, tombstones, and what was sent. Both addresses
        are one conversation from then on, and a message is in it once.

        A person who has another number from now on keeps what was sent: the next
        holder of the former number gets nothing by it. Stored messages stay where they are.
        """
        before, holder = self.identities.pn_for(lid), self.identities.lid_for(pn)
        news = self.identities.learn_lid(lid, pn)
        if news:
            if before is not None and holder is not None:
                self._move_person(pn, holder)
            if before is not None:
                self._move_person(before, pn)
            if holder is not None:
                # A message to that LID is not for the next holder of its number.
                self.names.rename(holder, holder)
            self._join(lid, pn, stored=self.sent.was_written_to(lid))
        return news

    def learn_number(self, requested: str, answered: str) -> bool:
        """Note that WhatsApp answers for the number `requested` by `answered`; True where that is news.

        Chats, and what is stored of them, are one from then on. Where WhatsApp answers for the number
        itself again, so do messages from then on; earlier ones stay where they are.
        """
        if self.names.answering(requested) == answered:
            return False
        if requested == answered:
            self.names.rename(requested, requested)
        else:
            self._join(requested, answered, stored=True)
        return True

    def _join(self, old: str, new: str, *, stored: bool) -> None:
        """The chat `old` is `new` from now on. `stored`: messages of it may be stored elsewhere."""
        self.names.rename(old, new)
        # Tombstones end after 30 days; that the chat ever had a message is noted for good.
        self.inbox_moves.move_chat(old, new, stored=stored or self.outreach.begun(old))
        if self.app_state.move(old, new):
            self.inbox_moves.merge_chats([(old, new)])
        self.order.move(old, new)
        self.contact_names.move(old, new)
        self.push_names.move(old, new)
        self.outreach.move(old, new)
        self.inbox_moves.move_sender(old, new)
        self.groups.move_member(old, new)
        self.sent.move(old, new)
        self.secrets.move(old, new)
        self.sealed_edits.move(old, new)
        self.placeholders.move(old, new)
        self.unread.move(old, new)
        self.timers.move(old, new)
        if self.on_join is not None:
            self.on_join(new)

    def _move_person(self, old: str, new: str) -> None:
        """The person of the canonical address `old` is called `new` from now on."""
        self.outreach.move(old, new)
        self.sent.move(old, new)

    def expired(self, now: float) -> list[Expired]:
        """Return the rows that outlived their term. Files that are still to be fetched end by themselves."""
        parts = (
            self.inbox,
            self.phone_statuses,
            self.sent,
            self.groups,
            self.uploads,
            self.file_details,
            self.secrets,
            self.sealed_edits,
            self.placeholders,
            self.unread,
            self.timers,
        )
        return [each for part in parts for each in part.expired(now)]

    def forget_account(self) -> None:
        """Forget the account: its device, addresses, groups, plaintexts.

        The inbox, its tombstones and the files that are still to be fetched stay: those messages
        were acknowledged.
        """
        self.linked_device.forget()
        for part in (
            self.identities,
            self.names,
            self.groups,
            self.history_syncs,
            self.push_names,
            self.contact_names,
            self.app_state,
            self.placeholders,
            self.sent,
            self.uploads,
            self.file_details,
        ):
            part.forget_all()
