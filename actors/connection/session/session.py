"""One account's session: keys, ratchets, inbox and what was sent, in one SQLite file.

What belongs together is committed together: a message's ratchet step, the prekey it used up and
its inbox row are one transaction, so that after a crash at any instruction either all of it
happened or none (G5).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.connection.session.file import (
    SessionBlocked,
    SessionDamaged,
    SessionTooNew,
    SessionUnavailable,
    StaleEpoch,
    make_directory,
)
from actors.connection.session.files.uploads import Uploads
from actors.connection.session.history_syncs import Histories
from actors.connection.session.identities.credentials import Credentials, SignedPrekey
from actors.connection.session.identities.groups import Groups
from actors.connection.session.identities.linked_device import LinkedDevices
from actors.connection.session.identities.signal_keys import Keys
from actors.connection.session.inbox import Inbox
from actors.connection.session.messages.message_aliases import Aliases
from actors.connection.session.messages.message_secrets import MessageSecrets
from actors.connection.session.messages.sealed_edits import SealedEdits
from actors.connection.session.sent_messages import Sent
from actors.connection.session.timers import Timers
from actors.connection.session.unread import UnreadMessages
from actors.redis.leases.lease_record import HeldItems

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "Credentials",
    "Session",
    "SessionBlocked",
    "SessionDamaged",
    "SessionTooNew",
    "SessionUnavailable",
    "SignedPrekey",
    "StaleEpoch",
    "make_directory",
]


class Session(
    Inbox,
    Sent,
    Uploads,
    MessageSecrets,
    SealedEdits,
    UnreadMessages,
    Timers,
    Groups,
    Histories,
    Aliases,
    LinkedDevices,
    Keys,
):
    """The session file of one account.

    Reading is allowed anywhere and sees what is committed; every method that changes something
    must be called inside ``async with session.transaction()`` and raises `RuntimeError` otherwise.
    """

    on_join: Callable[[str], None] | None = None
    """Is called with a person whose addresses became one, at the end of what moves and in its transaction."""

    def held_items(self) -> HeldItems:
        """Return the numbers of items that are held back; `refused_full` is the drain's to set."""
        return HeldItems(self.refused_count(), *self.deferred_files())

    def learn_lid(self, lid: str, pn: str) -> bool:
        """Note that two canonical addresses are one person's; True where that is news.

        The newest pair wins. What there is under the LID moves to the phone-number address, the
        device staying the same: sessions, the inbox, tombstones, and what was sent. Both addresses
        are one conversation with one session from then on, and a message is in it once.

        A person who has another number from now on keeps sessions and what was sent: the next
        holder of the former number gets nothing by them. Stored messages stay where they are.
        """
        before, holder = self.pn_for(lid), self.lid_for(pn)
        news = super().learn_lid(lid, pn)
        if news:
            if before is not None and holder is not None:
                self._move_person(pn, holder)
            if before is not None:
                self._move_person(before, pn)
            if holder is not None:
                self.rename(
                    holder, holder
                )  # what is sent to that LID is not for the next holder of its number
            self._join(lid, pn, stored=self.was_written_to(lid))
        return news

    def learn_number(self, asked: str, answered: str) -> bool:
        """Note that WhatsApp answers for the number `asked` by `answered`; True where that is news.

        Chats, and what is stored of them, are one from then on. Where WhatsApp answers for the number
        itself again, so do messages from then on; earlier ones stay where they are.
        """
        if self.answering(asked) == answered:
            return False
        if asked == answered:
            self.rename(asked, asked)
        else:
            self._join(asked, answered, stored=True)
        return True

    def _join(self, old: str, new: str, *, stored: bool) -> None:
        """The chat `old` is `new` from now on. `stored`: messages of it may be stored elsewhere."""
        self.rename(old, new)
        self.move_ratchets(old, new)
        self.move_chat(old, new)
        if self.move_app_state(old, new) or stored:
            self.merge_chats([(old, new)])
        self.move_correspondent(old, new)
        self.move_sender(old, new)
        self.move_member(old, new)
        self.move_sent(old, new)
        self.move_secrets(old, new)
        self.move_edits(old, new)
        self.move_placeholders(old, new)
        self.move_unread(old, new)
        self.move_timer(old, new)
        self.move_key_list(old, new)
        self.forget_devices(old)
        if self.on_join is not None:
            self.on_join(new)

    def _move_person(self, old: str, new: str) -> None:
        """The person of the canonical address `old` is called `new` from now on."""
        self.move_ratchets(old, new)
        self.move_correspondent(old, new)
        self.move_key_list(old, new)
        self.move_sent(old, new)
        self.forget_devices(old)
        self.forget_devices(new)

    def prune(self, now: float) -> None:
        """Drop what outlived its term. Files that are still to be fetched end by themselves."""
        self.prune_tombstones(now)
        self.prune_statuses(now)
        self.prune_sent(now)
        self.prune_recipients(now)
        self.prune_uploads(now)
        self.prune_secrets(now)
        self.prune_edits(now)
        self.prune_placeholders(now)
        self.prune_unread(now)
        self.prune_timers(now)
        self.prune_aliases(now)
        self.prune_signed_prekeys(now)

    def forget_credentials(self) -> None:
        """Forget the account: its keys and sessions, devices, groups, plaintexts.

        The inbox, its tombstones and the files that are still to be fetched stay: those messages
        were acknowledged.
        """
        self.forget_keys()
        self.forget_directory()
        self.forget_groups()
        self.forget_histories()
        self.forget_app_state()
        self.forget_placeholders()
        self.forget_sent()
        self.forget_uploads()
