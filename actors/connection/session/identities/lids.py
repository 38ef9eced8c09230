"""Stores the phone numbers of LIDs in the session file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.connection.session.row_cache import RowCache
from actors.connection.session.session_part import SessionPart

if TYPE_CHECKING:
    from actors.connection.session.file import SessionFile


class Lids(SessionPart):
    """The map between LIDs and phone-number addresses."""

    def __init__(self, file: SessionFile) -> None:
        super().__init__(file)
        self._numbers = RowCache(file, self._read_number)
        self._lids = RowCache(file, self._read_lid)

    def learn_lid(self, lid: str, pn: str) -> bool:
        """Note that two canonical addresses are one person's; True where that is news.

        A LID has one phone-number address and the other way round: the newest pair wins.
        """
        if self.pn_for(lid) == pn:
            return False
        self._change_pairs()
        self._file.write("DELETE FROM lids WHERE lid = ? OR pn = ?", (lid, pn))
        self._file.write("INSERT INTO lids (lid, pn) VALUES (?, ?)", (lid, pn))
        return True

    def pn_for(self, lid: str) -> str | None:
        """The phone-number address of a LID, where it is known."""
        return self._numbers.get(lid)

    def _read_number(self, lid: str) -> str | None:
        row = self._file.row("SELECT pn FROM lids WHERE lid = ?", (lid,))
        return None if row is None else str(row[0])

    def lid_for(self, pn: str) -> str | None:
        """The LID that is known to be this phone number's, both as canonical addresses."""
        return self._lids.get(pn)

    def _read_lid(self, pn: str) -> str | None:
        row = self._file.row("SELECT lid FROM lids WHERE pn = ?", (pn,))
        return None if row is None else str(row[0])

    def forget_all(self) -> None:
        """Drop the map."""
        self._change_pairs()
        self._file.write("DELETE FROM lids")

    def _change_pairs(self) -> None:
        self._numbers.change()
        self._lids.change()
