"""Stores group members, own and received sender keys and members' receipts in the session file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from actors.connection.session.session_part import SessionPart

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Literal

MAX_KEYS: Final = 5
"""Sender keys of one device that are kept for a group, as libsignal does (MAX_SENDER_KEY_STATES)."""

LONGEST_SUBJECT: Final = 1000

RECIPIENT_SECONDS: Final = 7 * 86_400.0

_STEPS: Final = {"delivered": 1, "read": 2}


class KeyRow(NamedTuple):
    """A sender key of another device; bytes are as `native.sender_keys` has them."""

    key_id: int
    signing: bytes
    iteration: int
    chain: bytes

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.key_id})"  # the rest is secret


class StoredKey(NamedTuple):
    """A sender key, by the number that its skipped keys name, and how many of those there are."""

    number: int
    kept: int
    key: KeyRow


class OwnKeyRow(NamedTuple):
    """The own sender key of a group."""

    key_id: int
    iteration: int
    chain: bytes
    private: bytes
    public: bytes

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.key_id})"


@dataclass(frozen=True, slots=True)
class StoredMembers:
    """The members of a group, encoded, and the time of that answer (seconds)."""

    roster: str
    fetched_at: float


class Groups(SessionPart):
    """Chats and persons are canonical addresses, devices by the name that their sessions have."""

    # rosters

    def members(self, chat: str) -> StoredMembers | None:
        """The members of a group with the time at which they were fetched; None where they never were."""
        row = self._file.row("SELECT roster, fetched_at FROM rosters WHERE chat = ?", (chat,))
        return None if row is None else StoredMembers(*row)

    def save_members(self, chat: str, roster: str, fetched_at: float) -> None:
        """Replace the members of a group; `fetched_at` in seconds since the epoch."""
        self._file.write(
            "INSERT OR REPLACE INTO rosters (chat, roster, fetched_at) VALUES (?, ?, ?)",
            (chat, roster, fetched_at),
        )

    def forget_members(self, chat: str) -> None:
        """Ask again before the next message."""
        self._file.write("DELETE FROM rosters WHERE chat = ?", (chat,))

    def forget_all_members(self) -> None:
        """As `forget_members`, for every group."""
        self._file.write("DELETE FROM rosters")

    # subjects

    def subject(self, chat: str) -> str | None:
        """The newest subject; None where none is known."""
        row = self._file.row("SELECT subject FROM group_subjects WHERE chat = ?", (chat,))
        return None if row is None else str(row[0])

    def save_subject(self, chat: str, subject: str) -> None:
        """Keep the subject of a group, `LONGEST_SUBJECT` characters of it; an empty one is none."""
        subject = subject[:LONGEST_SUBJECT]
        if subject and subject != self.subject(chat):
            self._file.write(
                "INSERT OR REPLACE INTO group_subjects (chat, subject) VALUES (?, ?)",
                (chat, subject),
            )

    # sender keys of others

    def sender_key(self, chat: str, sender: str, key_id: int) -> StoredKey | None:
        """The sender key of a member by its id; None where the member never handed it out."""
        row = self._file.row(
            "SELECT number, kept, key_id, signing, iteration, chain FROM sender_keys"
            " WHERE chat = ? AND sender = ? AND key_id = ?",
            (chat, sender, key_id),
        )
        return None if row is None else StoredKey(row[0], row[1], KeyRow(*row[2:]))

    def add_sender_key(self, chat: str, sender: str, key: KeyRow, *, reach: int) -> None:
        """Keep a key that was handed over.

        Of one that is there the chain stays where it is, unless the key is handed over more than
        `reach` further: there is no way from the one to the other.
        """
        stored = self.sender_key(chat, sender, key.key_id)
        if stored is not None and stored.key.signing == key.signing:
            if key.iteration - stored.key.iteration > reach:
                self.save_sender_key(stored.number, key, stored.kept)
            return
        self._file.write(
            "INSERT OR REPLACE INTO sender_keys (chat, sender, key_id, signing, iteration, chain)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (chat, sender, *key),
        )
        self._file.write(
            "DELETE FROM sender_keys WHERE number IN (SELECT number FROM sender_keys"
            " WHERE chat = ? AND sender = ? ORDER BY number DESC LIMIT -1 OFFSET ?)",
            (chat, sender, MAX_KEYS),
        )

    def save_sender_key(self, number: int, key: KeyRow, kept: int) -> None:
        """A message was read: the key is another one from now on."""
        self._file.write(
            "UPDATE sender_keys SET iteration = ?, chain = ?, kept = ? WHERE number = ?",
            (key.iteration, key.chain, kept, number),
        )

    # the own sender key

    def own_sender_key(self, chat: str) -> OwnKeyRow | None:
        """The sender key under which the account writes to the group; None before its first message."""
        row = self._file.row(
            "SELECT key_id, iteration, chain, private, public FROM own_sender_keys WHERE chat = ?",
            (chat,),
        )
        return None if row is None else OwnKeyRow(*row)

    def save_own_sender_key(self, chat: str, key: OwnKeyRow) -> None:
        """Save the key of the next message. No device holds a new one yet."""
        stored = self.own_sender_key(chat)
        if stored is not None and stored.key_id != key.key_id:
            self._file.write("DELETE FROM key_holders WHERE chat = ?", (chat,))
        self._file.write(
            "INSERT OR REPLACE INTO own_sender_keys (chat, key_id, iteration, chain, private,"
            " public) VALUES (?, ?, ?, ?, ?, ?)",
            (chat, *key),
        )

    def key_holders(self, chat: str) -> dict[str, bool]:
        """The devices that may have the own key, and whether they have it for certain."""
        rows = self._file.rows("SELECT device, certain FROM key_holders WHERE chat = ?", (chat,))
        return {str(device): bool(certain) for device, certain in rows}

    def hand_key(self, chat: str, devices: Iterable[str]) -> None:
        """The key is on its way to these devices."""
        for device in devices:
            self._file.write(
                "INSERT OR IGNORE INTO key_holders (chat, device, certain) VALUES (?, ?, 0)",
                (chat, device),
            )

    def handed_key(self, chat: str, key_id: int, devices: Iterable[str]) -> None:
        """WhatsApp has the message that brought these devices the key of this id."""
        own = self.own_sender_key(chat)
        if own is None or own.key_id != key_id:
            return
        for device in devices:
            self._file.write(
                "UPDATE key_holders SET certain = 1 WHERE chat = ? AND device = ?", (chat, device)
            )

    def drop_own_sender_keys(self, holder: str | None = None) -> None:
        """Encrypt nothing more with the own keys: with none, or with none that this user may have."""
        if holder is None:
            self._file.write("DELETE FROM own_sender_keys")
            self._file.write("DELETE FROM key_holders")
            return
        name, server = holder.split("@")
        for (chat,) in self._file.rows(
            "SELECT DISTINCT chat FROM key_holders WHERE device = ? OR device GLOB ?",
            (holder, f"{name}:*@{server}"),
        ):
            self._file.write("DELETE FROM own_sender_keys WHERE chat = ?", (chat,))
            self._file.write("DELETE FROM key_holders WHERE chat = ?", (chat,))

    # whom a message was for

    def expect_receipts(self, chat: str, message_id: str, people: Iterable[str]) -> None:
        """Note whom a message of the account was for; a repeat changes nothing."""
        for person in people:
            self._file.write(
                "INSERT OR IGNORE INTO recipients (chat, message_id, person, step, at)"
                " VALUES (?, ?, ?, 0, ?)",
                (chat, message_id, person, self._file.clock()),
            )

    def was_for(self, chat: str, message_id: str, person: str) -> bool:
        """Whether this person is one whom the message was for."""
        return (
            self._file.row(
                "SELECT 1 FROM recipients WHERE chat = ? AND message_id = ? AND person = ?",
                (chat, message_id, person),
            )
            is not None
        )

    def note_receipt(
        self, chat: str, message_id: str, person: str, status: Literal["delivered", "read"]
    ) -> Sequence[Literal["delivered", "read"]]:
        """Note how far a message got with one person; return what it is with all from now on."""
        before = self._least(chat, message_id)
        changed = self._file.write(
            "UPDATE recipients SET step = ? WHERE chat = ? AND message_id = ? AND person = ?"
            " AND step < ?",
            (_STEPS[status], chat, message_id, person, _STEPS[status]),
        )
        if not changed:
            return ()
        return self._reached(before, self._least(chat, message_id))

    def leave_out(
        self, chat: str, person: str
    ) -> list[tuple[str, Sequence[Literal["delivered", "read"]]]]:
        """A person left the group: nobody waits for them. Return the messages that reached all who stayed."""
        rows = self._file.rows(
            "SELECT message_id FROM recipients WHERE chat = ? AND person = ?", (chat, person)
        )
        news = []
        for (message_id,) in rows:
            before = self._least(chat, message_id)
            self._file.write(
                "DELETE FROM recipients WHERE chat = ? AND message_id = ? AND person = ?",
                (chat, message_id, person),
            )
            if reached := self._reached(before, self._least(chat, message_id)):
                news.append((str(message_id), reached))
        return news

    @staticmethod
    def _reached(before: int | None, now: int | None) -> Sequence[Literal["delivered", "read"]]:
        if before is None or now is None:
            return ()
        reached: tuple[Literal["delivered"], Literal["read"]] = ("delivered", "read")
        return reached[before:now]

    def _least(self, chat: str, message_id: str) -> int | None:
        row = self._file.row(
            "SELECT min(step) FROM recipients WHERE chat = ? AND message_id = ?",
            (chat, message_id),
        )
        return None if row is None else row[0]

    # the file's life

    def move_member(self, lid: str, pn: str) -> None:
        """Move a member's rows in groups from the LID to the phone number; devices stay the same."""
        user, server = lid.split("@")
        name, new_server = pn.split("@")
        rows = self._file.rows(
            "SELECT DISTINCT sender FROM sender_keys WHERE sender GLOB '*@lid'"
            " AND (sender = ? OR sender GLOB ?)",
            (lid, f"{user}:*@{server}"),
        )
        for (sender,) in rows:
            device = sender.removeprefix(user).removesuffix(f"@{server}")
            self._file.write(
                "UPDATE OR IGNORE sender_keys SET sender = ? WHERE sender = ?",
                (f"{name}{device}@{new_server}", sender),
            )
            self._file.write("DELETE FROM sender_keys WHERE sender = ?", (sender,))
        self._file.write(
            "UPDATE OR IGNORE recipients SET person = ? WHERE person = ? AND person GLOB '*@lid'",
            (pn, lid),
        )

    def prune(self, now: float) -> None:
        """Forget whom messages were for that were sent a week ago."""
        self._file.write("DELETE FROM recipients WHERE at < ?", (now - RECIPIENT_SECONDS,))

    def forget_all(self) -> None:
        """Drop all of it: it is another device that comes now."""
        for table in (
            *("rosters", "group_subjects", "sender_keys", "own_sender_keys", "key_holders"),
            "recipients",
        ):
            self._file.write(f"DELETE FROM {table}")  # noqa: S608 - names of ours
