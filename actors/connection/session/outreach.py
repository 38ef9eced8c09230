"""Whom an account may write to: who ever wrote to it, and WhatsApp's limits on all others."""

from __future__ import annotations

from actors.connection.limits.account_limits import NONE, Limits
from actors.connection.session.file import SessionFile

LOCK, CAP = "lock", "cap"


class Outreach(SessionFile):
    """Limits and correspondents outlive every process; what is known of them is WhatsApp's word."""

    def limits(self) -> Limits:
        """The limits as they were told last, those that are over included."""
        rows = {kind: (until, told) for kind, until, told in self._rows(_LIMITS)}
        if not rows:
            return NONE
        locked, capped = rows.get(LOCK), rows.get(CAP)
        return Limits(
            None if locked is None else float(locked[0]),
            None if capped is None else float(capped[0]),
            capped is None or bool(capped[1]),
        )

    def note_lock(self, until: float | None) -> None:
        """The account is time-locked until then; None: it is not."""
        self._note_limit(LOCK, until, told=True)

    def note_cap(self, until: float | None, *, told: bool = True) -> None:
        """New chats are capped until then; None: they are not. `told` where WhatsApp said when it ends."""
        self._note_limit(CAP, until, told=told)

    def _note_limit(self, kind: str, until: float | None, *, told: bool) -> None:
        if until is None:
            self._write("DELETE FROM limits WHERE kind = ?", (kind,))
            return
        self._write(
            "INSERT OR REPLACE INTO limits (kind, until, told) VALUES (?, ?, ?)",
            (kind, until, int(told)),
        )

    def note_correspondent(self, chat: str) -> None:
        """The person of this chat wrote."""
        self._write("INSERT OR IGNORE INTO correspondents (chat) VALUES (?)", (chat,))

    def wrote(self, chat: str) -> bool:
        """Whether the person of this chat, a canonical address, ever wrote."""
        return self._row("SELECT 1 FROM correspondents WHERE chat = ?", (chat,)) is not None

    def move_correspondent(self, old: str, new: str) -> None:
        """The chat `old` is `new`."""
        self._write("UPDATE OR IGNORE correspondents SET chat = ? WHERE chat = ?", (new, old))
        self._write("DELETE FROM correspondents WHERE chat = ?", (old,))


_LIMITS = "SELECT kind, until, told FROM limits"
