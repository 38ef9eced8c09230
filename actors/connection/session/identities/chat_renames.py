"""Stores in the session file which chats go by a new address (LID or phone number), in the order in which it was learnt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.connection.address_changes.port import NameChange
from actors.connection.session.row_cache import RowCache
from actors.connection.session.session_part import SessionPart

if TYPE_CHECKING:
    from actors.connection.session.file import SessionFile
    from actors.connection.session.identities.lids import Lids


class ChatRenames(SessionPart):
    """The rows of `renumbered`. No name leads to another one: each is the chat of today itself."""

    def __init__(self, file: SessionFile, identities: Lids) -> None:
        super().__init__(file)
        self._identities = identities
        self._newest = RowCache(file, self._renamed)
        self._last = RowCache(file, self._read_last)

    def chat_today(self, chat: str) -> str:
        """The canonical address of the chat's person today; of a group its own."""
        if chat.endswith("@lid"):
            chat = self._identities.pn_for(chat) or chat
        return self.answering(chat)

    def answering(self, pn: str) -> str:
        """The number by which WhatsApp answers for this one: itself, unless another is known."""
        return self._newest.get(pn)

    @property
    def renamed_to(self) -> int:
        """The number of the last name that was learnt; it rises, also over a logout."""
        return self._last.get()

    def _read_last(self, _: str) -> int:
        row = self._file.row("SELECT seq FROM sqlite_sequence WHERE name = 'renumbered'")
        return 0 if row is None else int(row[0])

    def renamings(self, behind: int, limit: int) -> list[NameChange]:
        """Names that were learnt after that number, in order; of each address the last one."""
        rows = self._file.rows(
            "SELECT number, old, new FROM renumbered WHERE number > ? ORDER BY number LIMIT ?",
            (behind, limit),
        )
        return [NameChange(*row) for row in rows]

    def rename(self, old: str, new: str) -> None:
        """The chat `old` is called `new` from now on; itself where they are equal.

        So are all that were called `old`. Each change has a number of its own, by which it is reported to Redis.
        """
        self._newest.change()
        self._last.change()
        ended = old != new and self._renamed(new) != new
        before = self._file.rows("SELECT old FROM renumbered WHERE new = ?1 AND old <> ?1", (old,))
        self._file.write("DELETE FROM renumbered WHERE old IN (?, ?)", (old, new))
        if ended:
            # A change of its own: another name of `old` may come before this one is reported.
            self._file.write("INSERT INTO renumbered (old, new) VALUES (?, ?)", (new, new))
        self._file.write("INSERT INTO renumbered (old, new) VALUES (?, ?)", (old, new))
        for (other,) in before if old != new else ():
            if other != new:
                self.rename(other, new)
        for number in (old, new):
            lid = self._identities.lid_for(number)
            if lid not in {None, old} and self._renamed(lid) != (today := self.chat_today(lid)):
                self.rename(lid, today)

    def _renamed(self, old: str) -> str:
        """The newest name of an address."""
        row = self._file.row("SELECT new FROM renumbered WHERE old = ?", (old,))
        return old if row is None else str(row[0])

    def forget_all(self) -> None:
        """Drop the names."""
        self._newest.change()
        self._file.write("DELETE FROM renumbered")
