"""Stores group members, subjects and members' receipts in the session file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from actors.connection.session.session_part import Expired, SessionPart

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Literal

LONGEST_SUBJECT: Final = 1000

RECIPIENT_SECONDS: Final = 7 * 86_400.0

_STEPS: Final = {"delivered": 1, "read": 2}


@dataclass(frozen=True, slots=True)
class StoredMembers:
    """The members of a group, encoded, and the time of that answer (seconds)."""

    roster: str
    fetched_at: float


class Groups(SessionPart):
    """Chats and persons are canonical addresses."""

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
        """Move the receipts of a member from the LID to the phone number."""
        self._file.write(
            "UPDATE OR IGNORE recipients SET person = ? WHERE person = ? AND person GLOB '*@lid'",
            (pn, lid),
        )

    def expired(self, now: float) -> list[Expired]:
        """The recipients of messages that were sent a week ago."""
        return [Expired("recipients", "at < ?", (now - RECIPIENT_SECONDS,))]

    def forget_all(self) -> None:
        """Drop all of it: it is another device that comes now."""
        for table in ("rosters", "group_subjects", "recipients"):
            self._file.write(f"DELETE FROM {table}")  # noqa: S608 - names of ours
