"""Stores the device lists of contacts (cached and signed) and the phone numbers of LIDs in the session file."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from actors.connection.session.row_cache import RowCache
from actors.connection.session.session_part import SessionPart

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.connection.session.file import SessionFile


@dataclass(frozen=True, slots=True)
class DeviceList:
    """Device numbers of a user as WhatsApp listed them at `fetched_at` (seconds).

    `hosted` are those that Meta hosts for a business; they are not among `numbers`.
    """

    numbers: tuple[int, ...]
    fetched_at: float
    hosted: tuple[int, ...] = ()


class ContactDevices(SessionPart):
    """The cached device lists, and the map between LIDs and phone-number addresses."""

    def __init__(self, file: SessionFile) -> None:
        super().__init__(file)
        self._lists = RowCache(file, self._read_devices)
        self._numbers = RowCache(file, self._read_number)
        self._lids = RowCache(file, self._read_lid)

    def devices(self, user: str) -> DeviceList | None:
        """The cached device list of a canonical address; None where it was never fetched."""
        return self._lists.get(user)

    def _read_devices(self, user: str) -> DeviceList | None:
        row = self._file.row(
            "SELECT devices, hosted, fetched_at FROM devices WHERE user = ?", (user,)
        )
        if row is None:
            return None
        return DeviceList(tuple(json.loads(row[0])), row[2], tuple(json.loads(row[1])))

    def save_devices(
        self, user: str, numbers: Sequence[int], fetched_at: float, hosted: Sequence[int] = ()
    ) -> None:
        """Replace the device list of a canonical address."""
        self._lists.change()
        self._file.write(
            "INSERT OR REPLACE INTO devices (user, devices, hosted, fetched_at)"
            " VALUES (?, ?, ?, ?)",
            (user, json.dumps(list(numbers)), json.dumps(list(hosted)), fetched_at),
        )

    def forget_devices(self, user: str) -> None:
        """Drop the cached list, so that the next send fetches it."""
        self._lists.change()
        self._file.write("DELETE FROM devices WHERE user = ?", (user,))

    def forget_all_devices(self) -> None:
        """As `forget_devices`, for everybody."""
        self._lists.change()
        self._file.write("DELETE FROM devices")

    def key_list(self, user: str) -> bytes:
        """The signed key-index list of a canonical address that was believed last; empty for none."""
        row = self._file.row("SELECT signed FROM key_lists WHERE user = ?", (user,))
        return b"" if row is None else bytes(row[0])

    def save_key_list(self, user: str, signed: bytes) -> None:
        """Keep the list that was believed; it outlives the devices, which are asked for again."""
        if signed != self.key_list(user):
            self._file.write(
                "INSERT OR REPLACE INTO key_lists (user, signed) VALUES (?, ?)", (user, signed)
            )

    def move_key_list(self, old: str, new: str) -> None:
        """The list of the address `old` is that of `new`, where that has none."""
        self._file.write("UPDATE OR IGNORE key_lists SET user = ? WHERE user = ?", (new, old))
        self._file.write("DELETE FROM key_lists WHERE user = ?", (old,))

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
        """Drop device lists and the map."""
        self.forget_all_devices()
        self._file.write("DELETE FROM key_lists")
        self._change_pairs()
        self._file.write("DELETE FROM lids")

    def _change_pairs(self) -> None:
        self._numbers.change()
        self._lids.change()
