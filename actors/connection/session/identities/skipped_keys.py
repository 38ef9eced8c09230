"""Stores message keys skipped by ratchets and sender keys in the session file, for late messages, within bounds.

A key is found by its session, the peer's ratchet key and the counter, or by the sender key and the
iteration, and no other is read. All go with the session or the sender key that they are of.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from actors.connection.session.session_part import SessionPart

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.connection.session.file import SessionFile

MAX_SKIPPED: Final = 2_000
"""Keys of one session, or of one sender key: the newest (libsignal's MAX_MESSAGE_KEYS, of each chain)."""

MAX_OF_DEVICE: Final = 10_000
"""Keys of all sessions with one device, and of its sender keys in all groups. libsignal has no such bound.

Five sessions' worth: a device may have 41 sessions, and sender keys in as many groups as it makes.
"""

MAX_IN_ALL: Final = 100_000
"""Keys of all sessions, and of all sender keys: about 10 MB each. The device that has most pays first."""

UNCHECKED: Final = 1_000
"""Keys that may be added before all are counted again: by so many may they be more."""


@dataclass(frozen=True, slots=True)
class SkippedKey:
    """The seed of one message's keys (32 bytes)."""

    ratchet_key: bytes
    counter: int
    seed: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class _KeyTables:
    """Tables of one kind: the keys, and what they are of, with the device and what goes first."""

    rows: str
    owner: str
    owners: str
    id: str
    device: str
    order: str


_SESSIONS = _KeyTables("skipped_keys", "ratchet", "ratchets", "id", "address", "current, rank, id")
_SENDER_KEYS = _KeyTables(
    "skipped_sender_keys", "sender_key", "sender_keys", "number", "sender", "number"
)


class SkippedKeys(SessionPart):
    """Rows of skipped keys. Their number is in `kept` of the session or the sender key, which the caller saves."""

    def __init__(self, file: SessionFile) -> None:
        super().__init__(file)
        self._unchecked: dict[str, int] = {}  # keys that were added since all were counted

    def find(self, ratchet_id: int, ratchet_key: bytes, counter: int) -> bytes | None:
        """The seed of a message key that a ratchet passed over; None where it was used, dropped or never there."""
        row = self._file.row(
            "SELECT seed FROM skipped_keys WHERE ratchet = ? AND ratchet_key = ? AND counter = ?",
            (ratchet_id, ratchet_key, counter),
        )
        return None if row is None else bytes(row[0])

    def use(self, ratchet_id: int, ratchet_key: bytes, counter: int) -> int:
        """Delete a key, for no message is read twice; return the number of keys that were deleted."""
        return self._file.write(
            "DELETE FROM skipped_keys WHERE ratchet = ? AND ratchet_key = ? AND counter = ?",
            (ratchet_id, ratchet_key, counter),
        )

    def drop(self, ratchet_id: int, ratchet_keys: Sequence[bytes]) -> int:
        """Delete the keys of chains that are not read any more; return their number."""
        return sum(
            self._file.write(
                "DELETE FROM skipped_keys WHERE ratchet = ? AND ratchet_key = ?",
                (ratchet_id, ratchet_key),
            )
            for ratchet_key in ratchet_keys
        )

    def add(
        self, ratchet_id: int, kept: int, keys: Sequence[SkippedKey], chains: Sequence[bytes]
    ) -> int:
        """Add keys to the `kept` ones of a session, of which the oldest go; return the number then.

        `chains` are the session's ratchet keys, newest first.
        """
        self._file.write_many(
            "INSERT INTO skipped_keys (ratchet, ratchet_key, counter, seed) VALUES (?, ?, ?, ?)",
            [(ratchet_id, key.ratchet_key, key.counter, key.seed) for key in keys],
        )
        kept += len(keys)
        for ratchet_key in reversed(chains):
            if kept > MAX_SKIPPED:
                kept -= self._file.write(
                    "DELETE FROM skipped_keys WHERE ratchet = ?1 AND ratchet_key = ?2 AND counter IN"
                    " (SELECT counter FROM skipped_keys WHERE ratchet = ?1 AND ratchet_key = ?2"
                    " ORDER BY counter LIMIT ?3)",
                    (ratchet_id, ratchet_key, kept - MAX_SKIPPED),
                )
        return kept

    def find_of_sender(self, number: int, iteration: int) -> bytes | None:
        """The seed of a message key that a sender key passed over; None as for `find`."""
        row = self._file.row(
            "SELECT seed FROM skipped_sender_keys WHERE sender_key = ? AND iteration = ?",
            (number, iteration),
        )
        return None if row is None else bytes(row[0])

    def use_of_sender(self, number: int, iteration: int) -> int:
        """As `use`."""
        return self._file.write(
            "DELETE FROM skipped_sender_keys WHERE sender_key = ? AND iteration = ?",
            (number, iteration),
        )

    def add_of_sender(self, number: int, kept: int, keys: Sequence[tuple[int, bytes]]) -> int:
        """As `add`; keys are (iteration, seed)."""
        self._file.write_many(
            "INSERT INTO skipped_sender_keys (sender_key, iteration, seed) VALUES (?, ?, ?)",
            [(number, *key) for key in keys],
        )
        kept += len(keys)
        if kept > MAX_SKIPPED:
            kept -= self._file.write(
                "DELETE FROM skipped_sender_keys WHERE sender_key = ?1 AND iteration IN (SELECT"
                " iteration FROM skipped_sender_keys WHERE sender_key = ?1 ORDER BY iteration"
                " LIMIT ?2)",
                (number, kept - MAX_SKIPPED),
            )
        return kept

    def bound(self, address: str, ratchet_id: int, added: int) -> None:
        """Hold the sessions to the bounds, after so many keys were added to this one of a device."""
        self._bound(_SESSIONS, address, ratchet_id, added)

    def bound_of_sender(self, sender: str, number: int, added: int) -> None:
        """As `bound`."""
        self._bound(_SENDER_KEYS, sender, number, added)

    def _bound(self, kind: _KeyTables, device: str, last: int, added: int) -> None:
        """Drop the keys of whole sessions or sender keys: of `last` where its device has no other."""
        ((kept,),) = self._file.rows(
            f"SELECT coalesce(sum(kept), 0) FROM {kind.owners}"  # noqa: S608 - names of ours
            f" WHERE {kind.device} = ? AND kept > 0",
            (device,),
        )
        while kept > MAX_OF_DEVICE:
            kept -= self._drop_oldest(kind, device, last)
        self._unchecked[kind.rows] = self._unchecked.get(kind.rows, UNCHECKED) + added
        if self._unchecked[kind.rows] < UNCHECKED:
            return
        self._unchecked[kind.rows] = 0
        totals = dict(
            self._file.rows(
                f"SELECT {kind.device}, sum(kept) FROM {kind.owners} WHERE kept > 0"  # noqa: S608
                f" GROUP BY {kind.device}"
            )
        )
        excess = sum(totals.values()) - MAX_IN_ALL
        while excess > 0:
            most = max(totals, key=totals.__getitem__)
            dropped = self._drop_oldest(kind, most, last)
            totals[most] -= dropped
            excess -= dropped

    def _drop_oldest(self, kind: _KeyTables, device: str, last: int) -> int:
        """Drop the keys of what a device has used for longest, and of `last` last; return their number."""
        ((owner, kept),) = self._file.rows(
            f"SELECT {kind.id}, kept FROM {kind.owners} WHERE {kind.device} = ? AND kept > 0"  # noqa: S608
            f" ORDER BY {kind.id} = ?, {kind.order} LIMIT 1",
            (device, last),
        )
        self._file.write(f"DELETE FROM {kind.rows} WHERE {kind.owner} = ?", (owner,))  # noqa: S608
        self._file.write(f"UPDATE {kind.owners} SET kept = 0 WHERE {kind.id} = ?", (owner,))  # noqa: S608
        return int(kept)
