"""Stores pending media downloads in the session file until their outcome is in the inbox; counts each day's bytes."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from actors.connection.engine import InboxFile
from actors.connection.session.session_part import SessionPart
from actors.messages.file_deferral import FOR_ROOM
from actors.runtime.limits.disk_floor import counted_bytes
from actors.runtime.limits.durations import DAY

if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import Any

    from actors.connection.engine import FileStatus
    from actors.messages.file_deferral import Deferral

FILE_ITEM: Final = "file"
"""The kind of an inbox item with the outcome of a download."""

PAST_FILE: Final = "past_file"
"""The same of a message of a history sync: it waits until all of those are stored."""

LONGEST_WAIT: Final = 3600.0
"""Seconds until the next try at most; a time beyond that was noted before the clock was set back."""

_COLUMNS: Final = (
    "chat, sender, message_id, from_me, kind, media_key, direct_path, sha256, sealed_sha256, size,"
    " attempts, asked, next_at, deferred"
)


@dataclass(frozen=True, slots=True)
class Transfer:
    """The file of one message, by canonical addresses; hashes and key are bytes, `size` in bytes.

    `attempts` counts tries that failed, `requests` how often the phone was asked to upload it again
    since, `next_at` is when it is tried next, in seconds since the epoch, `deferred` the reason why not before.
    """

    chat: str
    sender: str
    message_id: str
    from_me: bool
    kind: str
    key: bytes = field(repr=False)
    direct_path: str = field(repr=False)
    sha256: bytes
    sealed_sha256: bytes
    size: int
    attempts: int = 0
    requests: int = 0
    next_at: float = 0.0
    deferred: str | None = None

    @property
    def name(self) -> tuple[str, str, str]:
        """The key of its message."""
        return self.chat, self.sender, self.message_id


class Downloads(SessionPart):
    """A transfer is there from the commit of its message until that of what became of it (G5)."""

    def add(self, transfer: Transfer) -> None:
        """Note that a file is to be fetched; one that is noted already stays as it is."""
        self._file.write(
            f"INSERT OR IGNORE INTO transfers ({_COLUMNS})"  # noqa: S608
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *transfer.name,
                int(transfer.from_me),
                transfer.kind,
                transfer.key,
                transfer.direct_path,
                transfer.sha256,
                transfer.sealed_sha256,
                transfer.size,
                transfer.attempts,
                transfer.requests,
                transfer.next_at,
                transfer.deferred,
            ),
        )

    def due(self, now: float, limit: int) -> list[Transfer]:
        """Those whose time has come, the longest waiting first: deferred ones before those that arrived since."""
        rows = self._file.rows(
            f"SELECT {_COLUMNS} FROM transfers WHERE next_at <= ?1 OR next_at > ?2"  # noqa: S608
            " ORDER BY deferred IS NULL, next_at, rowid LIMIT ?3",
            (now, now + LONGEST_WAIT, limit),
        )
        return [_transfer(row) for row in rows]

    def next_at(self, now: float) -> float | None:
        """The time of the next transfer that is not due; None where there is none."""
        row = self._file.row("SELECT min(next_at) FROM transfers WHERE next_at > ?", (now,))
        return None if row is None else row[0]

    def of_message(self, message_id: str) -> list[Transfer]:
        """The transfers of the messages of this id: ids are their senders', and may be alike."""
        rows = self._file.rows(
            f"SELECT {_COLUMNS} FROM transfers WHERE message_id = ?",  # noqa: S608
            (message_id,),
        )
        return [_transfer(row) for row in rows]

    def put_off(self, transfer: Transfer, next_at: float, *, attempts: int, requests: int) -> None:
        """Try it again then, deferred no more; one that is elsewhere by now, or done, stays so."""
        there = self._file.write(
            "UPDATE transfers SET next_at = ?, attempts = ?, asked = ?, deferred = NULL"
            " WHERE chat = ? AND sender = ? AND message_id = ? AND direct_path = ?",
            (next_at, attempts, requests, *transfer.name, transfer.direct_path),
        )
        if there and transfer.deferred is not None:
            self.add_file(*transfer.name, "pending")

    def defer(
        self,
        reason: Deferral,
        until: float,
        *,
        above: int,
        sender: str | None,
        but: Collection[tuple[str, str, str]],
    ) -> int:
        """Put off due transfers of more than `above` bytes; return how many did not wait for this reason before.

        `sender` None takes those of all senders. Transfers in `but` (`Transfer.name`) are left out. The inbox
        gets an item of each that did not wait before.
        """
        now = self._file.clock()
        which = (
            " WHERE (next_at <= ?1 OR next_at > ?2) AND size > ?3 AND (?4 IS NULL OR sender = ?4)"
            " AND (chat, sender, message_id) NOT IN (SELECT json_extract(value, '$[0]'),"
            " json_extract(value, '$[1]'), json_extract(value, '$[2]') FROM json_each(?5))"
        )
        values = now, now + LONGEST_WAIT, above, sender, json.dumps(list(but)), reason
        into = "INSERT INTO inbox (kind, chat, sender, message_id, at, type, text, from_me, source)"
        what = " SELECT ?7, chat, sender, message_id, ?8, 'deferred', ?6, 0, 'live' FROM transfers"
        news = self._file.write(
            f"{into}{what}{which} AND deferred IS NOT ?6 ORDER BY rowid",
            (*values, FILE_ITEM, int(now)),
        )
        self._file.write(
            f"UPDATE transfers SET deferred = ?6, next_at = ?7{which}",  # noqa: S608
            (*values, until),
        )
        return news

    def reconsider_deferred(self) -> None:
        """Make deferred transfers due now."""
        self._file.write("UPDATE transfers SET next_at = 0 WHERE deferred IS NOT NULL")

    def smallest_without_room(self) -> int | None:
        """Return the size of the smallest file that waits for room on the disk; None where none does."""
        row = self._file.row(
            "SELECT min(size) FROM transfers WHERE deferred IN (?, ?)", tuple(FOR_ROOM)
        )
        return None if row is None else row[0]

    def deferred(self) -> tuple[int, int]:
        """Return the number of deferred files, and of those among them that wait for the next day."""
        row = self._file.row(
            "SELECT count(*), coalesce(sum(deferred NOT IN (?, ?)), 0) FROM transfers"
            " WHERE deferred IS NOT NULL",
            tuple(FOR_ROOM),
        )
        return (0, 0) if row is None else (int(row[0]), int(row[1]))

    def received_today(self, sender: str = "") -> int:
        """Return the bytes of files that came since midnight UTC, of one sender or of all together."""
        row = self._file.row(
            "SELECT bytes FROM received_bytes WHERE day = ? AND sender = ?", (self._today(), sender)
        )
        return 0 if row is None else int(row[0])

    def _today(self) -> int:
        return int(self._file.clock() // DAY)

    def relocate(self, transfer: Transfer, direct_path: str) -> None:
        """The file is there now: try it at once."""
        self._file.write(
            "UPDATE transfers SET direct_path = ?, next_at = ?"
            " WHERE chat = ? AND sender = ? AND message_id = ?",
            (direct_path, self._file.clock(), *transfer.name),
        )

    def end(self, transfer: Transfer, status: FileStatus, error: str | None = None) -> bool:
        """Put what became of the file into the inbox; False where it is done already.

        The bytes of one that is stored count for this day. Where its chat was merged meanwhile, the
        transfer is found under its other address.
        """
        ended = self._file.rows(
            "DELETE FROM transfers WHERE message_id = ? AND media_key = ? AND from_me = ?"
            " RETURNING chat, sender, size",
            (transfer.message_id, transfer.key, int(transfer.from_me)),
        )
        for chat, sender, size in ended:
            self.add_file(chat, sender, transfer.message_id, status, error)
            if status == "stored":
                self.count(sender, counted_bytes(size))
        return bool(ended)

    def count(self, sender: str, size: int) -> None:
        """Count bytes that came from this sender as received today."""
        today = self._today()
        self._file.write("DELETE FROM received_bytes WHERE day < ?", (today,))
        self._file.write(
            "INSERT INTO received_bytes VALUES (?1, '', ?3), (?1, ?2, ?3)"
            " ON CONFLICT (day, sender) DO UPDATE SET bytes = bytes + excluded.bytes",
            (today, sender, size),
        )

    def add_file(
        self,
        chat: str,
        sender: str,
        message_id: str,
        status: FileStatus,
        error: str | None = None,
        *,
        past: bool = False,
    ) -> None:
        """Put news of a message's file into the inbox; `past`: the message came by history sync."""
        self._file.write(
            "INSERT INTO inbox (kind, chat, sender, message_id, at, type, text, from_me, source)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, 0, 'live')",
            (
                PAST_FILE if past else FILE_ITEM,
                *(chat, sender, message_id, int(self._file.clock()), status, error),
            ),
        )

    def due_files(self, limit: int) -> list[InboxFile]:
        """The oldest ones whose message is not waiting itself, oldest first.

        Those of a history sync, once no message of it waits: there may be thousands, and this is asked
        for with each batch of them.
        """
        rows = self._file.rows(
            "SELECT inbox.key, inbox.chat, inbox.sender, inbox.message_id, inbox.type, inbox.text"
            " FROM inbox LEFT JOIN tombstones USING (chat, sender, message_id)"
            " WHERE inbox.kind = ? AND tombstones.inbox IS NULL ORDER BY inbox.key LIMIT ?",
            (FILE_ITEM, limit),
        )
        if (
            not rows
            and self._file.row("SELECT 1 FROM inbox WHERE kind = 'history' LIMIT 1") is None
        ):
            rows = self._file.rows(
                "SELECT key, chat, sender, message_id, type, text FROM inbox WHERE kind = ?"
                " ORDER BY key LIMIT ?",
                (PAST_FILE, limit),
            )
        return [InboxFile(*row) for row in rows]

    def move(self, old: str, new: str) -> None:
        """The files of messages of the chat `old` are those of messages of `new`."""
        self._file.write(
            "UPDATE OR IGNORE transfers SET chat = ?1,"
            " sender = CASE sender WHEN ?2 THEN ?1 ELSE sender END WHERE chat = ?2",
            (new, old),
        )
        self._file.write("DELETE FROM transfers WHERE chat = ?", (old,))
        # Another name is no other budget.
        self._file.write(
            "INSERT INTO received_bytes SELECT day, ?1, bytes FROM received_bytes WHERE sender = ?2"
            " ON CONFLICT (day, sender) DO UPDATE SET bytes = bytes + excluded.bytes",
            (new, old),
        )
        self._file.write("DELETE FROM received_bytes WHERE sender = ?", (old,))


def _transfer(row: Any) -> Transfer:
    chat, sender, message_id, from_me, *rest = row
    return Transfer(chat, sender, message_id, bool(from_me), *rest)
