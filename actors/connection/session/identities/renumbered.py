"""Addresses of chats that have another name today, in the order in which that was learnt."""

from __future__ import annotations

from typing import Final

from actors.connection.names.port import Renaming
from actors.connection.session.identities.contact_devices import Directory

_ANSWERED: Final = "SELECT old, new FROM renumbered WHERE old NOT GLOB '*@lid' AND old <> new"


class Renumbered(Directory):
    """The rows of `renumbered`. No name leads to another one: each is the chat of today itself."""

    _answers: dict[str, str] | None = None
    _renumbering = False

    def chat_today(self, chat: str) -> str:
        """The canonical address of the chat's person today; of a group its own."""
        if chat.endswith("@lid"):
            chat = self.pn_for(chat) or chat
        return self.answering(chat)

    def answering(self, pn: str) -> str:
        """The number by which WhatsApp answers for this one: itself, unless another was told."""
        if self._within():
            row = self._row("SELECT new FROM renumbered WHERE old = ?", (pn,))
            return pn if row is None else str(row[0])
        if self._answers is None:
            self._answers = dict(self._rows(_ANSWERED))
        return self._answers.get(pn, pn)

    @property
    def renamed_to(self) -> int:
        """The number of the last name that was learnt; it rises, also over a logout."""
        row = self._row("SELECT seq FROM sqlite_sequence WHERE name = 'renumbered'")
        return 0 if row is None else int(row[0])

    def renamings(self, behind: int, limit: int) -> list[Renaming]:
        """Names that were learnt after that number, in order; of each address the last one."""
        rows = self._rows(
            "SELECT number, old, new FROM renumbered WHERE number > ? ORDER BY number LIMIT ?",
            (behind, limit),
        )
        return [Renaming(*row) for row in rows]

    def rename(self, old: str, new: str) -> None:
        """The chat `old` is called `new` from now on; itself where they are equal.

        So are all that were called `old`. Each change has a number of its own, by which Redis is told of it.
        """
        self._renumbering = True
        ended = old != new and self._renamed(new) != new
        before = self._rows("SELECT old FROM renumbered WHERE new = ?1 AND old <> ?1", (old,))
        self._write("DELETE FROM renumbered WHERE old IN (?, ?)", (old, new))
        if ended:
            # Told by itself: another name of `old` may come before this one is told.
            self._write("INSERT INTO renumbered (old, new) VALUES (?, ?)", (new, new))
        self._write("INSERT INTO renumbered (old, new) VALUES (?, ?)", (old, new))
        for (other,) in before if old != new else ():
            if other != new:
                self.rename(other, new)
        for number in (old, new):
            lid = self.lid_for(number)
            if lid not in {None, old} and self._renamed(lid) != (today := self.chat_today(lid)):
                self.rename(lid, today)

    def _renamed(self, old: str) -> str:
        """The name that was told of an address."""
        row = self._row("SELECT new FROM renumbered WHERE old = ?", (old,))
        return old if row is None else str(row[0])

    def forget_directory(self) -> None:
        """Drop device lists, the map and the names."""
        super().forget_directory()
        self._renumbering = True
        self._write("DELETE FROM renumbered")

    def _forget_cached(self) -> None:
        super()._forget_cached()
        if self._renumbering:
            self._answers = None
            # A savepoint may be undone after another one of its transaction changed something.
            self._renumbering = self._transaction is not None
