"""Stores the account's correspondents, and WhatsApp's limits on writing to other people, in the session file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.connection.limits.account_limits import NONE, Limits
from actors.connection.session.row_cache import RowCache
from actors.connection.session.session_part import SessionPart

if TYPE_CHECKING:
    from actors.connection.session.file import SessionFile

LOCK_LIMIT, CAP_LIMIT = "lock", "cap"


class Correspondents(SessionPart):
    """Limits of the account, and persons it ever exchanged messages with; both outlive every process.

    A chat is begun for good once the person wrote, or WhatsApp did not refuse a first message to them. A
    crash before its acknowledgement leaves the chat begun: that message is sent again, and a refusal undoes it.
    """

    def __init__(self, file: SessionFile) -> None:
        super().__init__(file)
        self._limits = RowCache(file, self._read_limits)

    def limits(self) -> Limits:
        """The limits as they came last, those that are over included."""
        return self._limits.get()

    def _read_limits(self, _: str) -> Limits:
        rows = {kind: (until, reported) for kind, until, reported in self._file.rows(_LIMITS)}
        if not rows:
            return NONE
        locked, capped = rows.get(LOCK_LIMIT), rows.get(CAP_LIMIT)
        return Limits(
            None if locked is None else float(locked[0]),
            None if capped is None else float(capped[0]),
            capped is None or bool(capped[1]),
        )

    def note_lock(self, until: float | None) -> None:
        """The account is time-locked until then; None: it is not."""
        self._note_limit(LOCK_LIMIT, until, reported=True)

    def note_cap(self, until: float | None, *, reported: bool = True) -> None:
        """New chats are capped until then; None: they are not. `reported` where WhatsApp said when it ends."""
        self._note_limit(CAP_LIMIT, until, reported=reported)

    def _note_limit(self, kind: str, until: float | None, *, reported: bool) -> None:
        self._limits.change()
        if until is None:
            self._file.write("DELETE FROM limits WHERE kind = ?", (kind,))
            return
        self._file.write(
            "INSERT OR REPLACE INTO limits (kind, until, told) VALUES (?, ?, ?)",
            (kind, until, int(reported)),
        )

    def note_correspondent(self, chat: str) -> None:
        """The person of this chat wrote."""
        self._file.write(
            "INSERT INTO correspondents (chat) VALUES (?)"
            " ON CONFLICT DO UPDATE SET began = NULL WHERE began IS NOT NULL",
            (chat,),
        )

    def note_begun(self, chat: str, message_id: str) -> None:
        """Note that the account writes this message to the person of this chat: the first one begins it."""
        self._file.write(
            "INSERT OR IGNORE INTO correspondents (chat, began) VALUES (?, ?)", (chat, message_id)
        )

    def wrote(self, chat: str) -> bool:
        """Whether the person of this chat, a canonical address, ever wrote."""
        query = "SELECT 1 FROM correspondents WHERE chat = ? AND began IS NULL"
        return self._file.row(query, (chat,)) is not None

    def begun(self, chat: str) -> bool:
        """Whether either side of this chat, a canonical address, ever wrote."""
        return self._file.row("SELECT 1 FROM correspondents WHERE chat = ?", (chat,)) is not None

    def begun_between(self, start: float, end: float) -> int:
        """The number of chats that this device began from `start` on, before `end`, and whose person did not write since."""
        row = self._file.row(_BEGUN_BETWEEN, (start, end))
        return 0 if row is None else int(row[0])

    def begun_by(self, chat: str) -> str | None:
        """The message by which the account began this chat; None where the person wrote, or nobody."""
        row = self._file.row("SELECT began FROM correspondents WHERE chat = ?", (chat,))
        return None if row is None else row[0]

    def forget_begun(self, chat: str) -> None:
        """Forget the message that began the chat, which WhatsApp refused; a person who wrote stays noted."""
        self._file.write("DELETE FROM correspondents WHERE chat = ? AND began IS NOT NULL", (chat,))

    def move(self, old: str, new: str) -> None:
        """The chat `old` is `new`."""
        self._file.write(
            "INSERT INTO correspondents (chat, began)"
            " SELECT ?, began FROM correspondents WHERE chat = ?"
            " ON CONFLICT DO UPDATE SET began = NULL WHERE excluded.began IS NULL",
            (new, old),
        )
        self._file.write("DELETE FROM correspondents WHERE chat = ?", (old,))


_BEGUN_BETWEEN = """
SELECT count(*) FROM sent_ids JOIN correspondents USING (chat)
    WHERE sent_ids.at >= ? AND sent_ids.at < ? AND correspondents.began = sent_ids.message_id
"""
_LIMITS = "SELECT kind, until, told FROM limits"
