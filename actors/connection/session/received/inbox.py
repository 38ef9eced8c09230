"""Stores received messages and receipts in the session file before WhatsApp gets their acks, until stored elsewhere."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, Literal, overload

from actors.connection.engine import InboxMerge, InboxMessage, InboxReceipt
from actors.connection.session.files.pending_downloads import FILE_ITEM
from actors.connection.session.received.app_state import APP_STATE
from actors.connection.session.session_part import Expired, SessionPart

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from actors.connection.engine import InboxFile, InboxItem, InboxKind, InboxOfState, InboxStatus
    from actors.connection.session.chats.correspondents import Correspondents
    from actors.connection.session.file import SessionFile
    from actors.connection.session.files.pending_downloads import Downloads
    from actors.connection.session.identities.push_names import PushNames
    from actors.connection.session.messages.placeholders import Placeholders
    from actors.connection.session.received.app_state import AppState
    from actors.connection.session.received.chat_order import ChatOrder
    from actors.connection.session.received.phone_message_receipts import PhoneMessageReceipts

    Times = tuple[int, float | None, float | None]

HISTORY_ROW = "history"
"""The kind of a row with a message of a history sync: it waits behind live ones."""

WANTED_ROW = "wanted"
"""The kind of a row that stands for a message whose resend was asked for: not shown yet."""

UNDECRYPTABLE_ROW = "undecryptable"
"""The type of a placeholder; the sender's resend under the same id replaces it."""

TOMBSTONE_SECONDS = 30 * 86_400.0

PENDING_ROWS: Final = (
    "SELECT key, chat, sender, message_id, at, type, text, from_me, push_name, source,"
    " content, received_at, place,"
    " coalesce((SELECT name FROM contact_names WHERE person = sender), nullif(push_name, '-'),"
    " (SELECT name FROM push_names WHERE person = sender)),"
    " (SELECT lid FROM lids WHERE pn = sender),"
    " coalesce((SELECT subject FROM group_subjects WHERE group_subjects.chat = inbox.chat),"
    " (SELECT name FROM contact_names WHERE person = chat),"
    " (SELECT name FROM push_names WHERE person = chat)) FROM inbox WHERE kind = ? ORDER BY key LIMIT ?"
)


class Inbox(SessionPart):
    """The inbox of a session. A message is in it at most once, however often it comes (G5)."""

    def __init__(
        self,
        file: SessionFile,
        *,
        phone_statuses: PhoneMessageReceipts,
        downloads: Downloads,
        outreach: Correspondents,
        placeholders: Placeholders,
        app_state: AppState,
        push_names: PushNames,
        order: ChatOrder,
    ) -> None:
        super().__init__(file)
        self._phone_statuses, self._downloads = phone_statuses, downloads
        self._outreach, self._placeholders = outreach, placeholders
        self._app_state, self._push_names = app_state, push_names
        self._order = order

    def committed(self, chat: str, sender: str, message_id: str) -> bool:
        """Whether the message was committed, and is no placeholder: its resend is not wanted."""
        row = self.tombstone(chat, sender, message_id)
        return row is not None and row[0] == 1

    def arrived(self, chat: str, sender: str, message_id: str) -> bool:
        """Whether a message of this id came, also one that could not be read."""
        return self.tombstone(chat, sender, message_id) is not None

    def add(
        self,
        *,
        chat: str,
        sender: str,
        message_id: str,
        at: int,
        type: str,  # noqa: A002 - the field's name everywhere
        text: str | None,
        from_me: bool = False,
        push_name: str | None = None,
        source: Literal["live", "offline", "history"] = "live",
        body: bytes | None = None,
        content: str | None = None,
    ) -> bool:
        """Put a message in; False where it, or a tombstone of it, is there already.

        `chat` and `sender` are canonical addresses. A real message replaces a placeholder of the
        same id, settled or not, and takes its place in the order. `at` is WhatsApp's time in
        seconds; `body` the decrypted bytes, `content` what they say where `type` and `text` do not
        say it all.
        """
        readable, times = type != UNDECRYPTABLE_ROW, None
        tombstone = self.tombstone(chat, sender, message_id)
        if tombstone is not None and tombstone[0] == 1:
            return False
        if tombstone is not None and not readable:
            return self._show(tombstone[1])
        if tombstone is not None:
            self._placeholders.forget(chat, sender, message_id)
        if tombstone is not None and tombstone[1] is not None:
            if self._fill(tombstone[1], push_name, (type, text, body, content)):
                self._mark_readable(chat, sender, message_id)
                return True
            times = self._take_back(tombstone[1])
        at, *arrival = times or self._times(chat, at, source)
        row = (
            *(chat, sender, message_id, at, type),
            *(text, int(from_me), push_name, source, body, content, *arrival),
        )
        kind = HISTORY_ROW if source == "history" else "message"
        self._put(kind, row, readable=readable)
        return True

    def last_arrival(self) -> int:
        """The key of the newest item; 0 where there is none."""
        row = self._file.row("SELECT max(key) FROM inbox")
        return 0 if row is None or row[0] is None else int(row[0])

    def holds_any(self, until: int) -> bool:
        """Whether a message with a key up to that one is stored here alone."""
        query = "SELECT 1 FROM inbox WHERE kind IN ('message', ?) AND key <= ? LIMIT 1"
        return self._file.row(query, (HISTORY_ROW, until)) is not None

    def want(
        self,
        *,
        chat: str,
        sender: str,
        message_id: str,
        at: int,
        from_me: bool,
        push_name: str | None,
        source: Literal["live", "offline", "history"],
    ) -> None:
        """Note a message that could not be read and whose resend is asked for.

        It shows only when `show_wanted` finds that no resend came, or a placeholder is added for it.
        """
        if self.tombstone(chat, sender, message_id) is None:
            at, *arrival = self._times(chat, at, source)
            row = (
                *(chat, sender, message_id, at, UNDECRYPTABLE_ROW),
                *(None, int(from_me), push_name, source, None, None, *arrival),
            )
            self._put(WANTED_ROW, row, readable=False)
        else:
            self._file.write(
                "UPDATE tombstones SET at = ? WHERE chat = ? AND sender = ? AND message_id = ?",
                (self._file.clock(), chat, sender, message_id),
            )

    def wants(self) -> bool:
        """Whether the resend of any message is waited for."""
        return (
            self._file.row("SELECT 1 FROM inbox WHERE kind = ? LIMIT 1", (WANTED_ROW,)) is not None
        )

    def show_wanted(self, before: float) -> int:
        """Put placeholders for what was last asked for at or before that time; return how many.

        So for what was asked for in the future: the clock was set back, and how long ago is unknown.
        """
        rows = self._file.rows(
            "SELECT inbox.key FROM inbox JOIN tombstones ON tombstones.inbox = inbox.key"
            " WHERE inbox.kind = ? AND (tombstones.at <= ? OR tombstones.at > ?)",
            (WANTED_ROW, before, self._file.clock()),
        )
        return sum(self._show(key) for (key,) in rows)

    def bury(self, *, chat: str, sender: str, message_id: str) -> None:
        """Leave a tombstone alone: the message was for the protocol and shows nothing.

        A placeholder that waits for it is taken back; a message that is there stays.
        """
        tombstone = self.tombstone(chat, sender, message_id)
        if tombstone is not None and tombstone[0] == 1:
            return
        if tombstone is not None and tombstone[1] is not None:
            self._file.write("DELETE FROM inbox WHERE key = ?", (tombstone[1],))
        self._placeholders.forget(chat, sender, message_id)
        self._file.write(
            "INSERT OR REPLACE INTO tombstones (chat, sender, message_id, readable, inbox, at)"
            " VALUES (?, ?, ?, 1, NULL, ?)",
            (chat, sender, message_id, self._file.clock()),
        )
        self._phone_statuses.expect(chat, sender, message_id)

    def add_receipt(
        self,
        *,
        chat: str,
        message_ids: Sequence[str],
        status: Literal["delivered", "read"],
        at: int,
    ) -> None:
        """Put a receipt in. One that comes twice is there twice: receipts are idempotent."""
        self._file.write(
            "INSERT INTO inbox (kind, chat, sender, message_id, at, type, from_me, source)"
            " VALUES ('receipt', ?, '', ?, ?, ?, 0, 'live')",
            (chat, json.dumps(list(message_ids)), at, status),
        )

    @overload
    def pending(self, kind: Literal["message", "history"], limit: int) -> list[InboxMessage]: ...

    @overload
    def pending(self, kind: Literal["receipt"], limit: int) -> list[InboxReceipt]: ...

    @overload
    def pending(self, kind: Literal["merge"], limit: int) -> list[InboxMerge]: ...

    @overload
    def pending(self, kind: Literal["status"], limit: int) -> list[InboxStatus]: ...

    @overload
    def pending(self, kind: Literal["file"], limit: int) -> list[InboxFile]: ...

    @overload
    def pending(self, kind: Literal["app_state"], limit: int) -> list[InboxOfState]: ...

    @overload
    def pending(self, kind: InboxKind, limit: int) -> Sequence[InboxItem]: ...

    def pending(self, kind: InboxKind, limit: int) -> Sequence[InboxItem]:
        """The oldest unsettled items of a kind, oldest first; those of the others cost nothing."""
        if kind == "status":
            return self._phone_statuses.due(limit)
        if kind == FILE_ITEM:
            return self._downloads.due_files(limit)
        if kind == APP_STATE:
            return self._app_state.pending(limit)
        read = _READ[kind]
        return [read(row) for row in self._file.rows(PENDING_ROWS, (kind, limit))]

    def settle(self, keys: Sequence[int]) -> None:
        """Forget the items, which are stored elsewhere; the messages' tombstones stay 30 days.

        Keys that are settled already, or never were, are ignored.
        """
        settled = json.dumps(list(keys))
        self._file.write(
            "DELETE FROM inbox WHERE key IN (SELECT value FROM json_each(?))", (settled,)
        )
        self._file.write(
            "UPDATE tombstones SET inbox = NULL, at = ?"
            " WHERE inbox IN (SELECT value FROM json_each(?))",
            (self._file.clock(), settled),
        )

    def expired(self, now: float) -> list[Expired]:
        """The tombstones of messages that were settled 30 days ago."""
        return [Expired("tombstones", "at < ? AND inbox IS NULL", (now - TOMBSTONE_SECONDS,))]

    def _put(self, kind: str, row: Sequence[Any], *, readable: bool) -> None:
        key = self._file.insert(
            "INSERT INTO inbox (kind, chat, sender, message_id, at, type, text, from_me, push_name,"
            " source, body, content, received_at, place)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (kind, *row),
        )
        self._file.write(
            "INSERT OR REPLACE INTO tombstones (chat, sender, message_id, readable, inbox, at)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (*row[:3], int(readable), key, self._file.clock()),
        )
        if row[6]:  # the account's own
            self._phone_statuses.expect(*row[:3])
            if not row[0].endswith("@g.us"):
                self._outreach.note_begun(row[0], row[2])
            return
        if row[0] == row[1]:
            self._outreach.note_correspondent(row[0])
        if row[7] is not None and row[8] != "history":
            self._push_names.save(row[1], row[7])

    def _fill(self, key: int, push_name: str | None, values: Sequence[Any]) -> bool:
        """Let a row that was never shown be the message that it stands for; False for another.

        One that was shown may be on its way to the store, and settling it must not take this.
        """
        return (
            self._file.write(
                "UPDATE inbox SET kind = 'message', type = ?, text = ?, body = ?, content = ?,"
                " push_name = coalesce(?, push_name) WHERE key = ? AND kind = ?",
                (*values, push_name, key, WANTED_ROW),
            )
            == 1
        )

    def _mark_readable(self, chat: str, sender: str, message_id: str) -> None:
        self._file.write(
            "UPDATE tombstones SET readable = 1, at = ?"
            " WHERE chat = ? AND sender = ? AND message_id = ?",
            (self._file.clock(), chat, sender, message_id),
        )

    def _times(self, chat: str, at: int, source: Literal["live", "offline", "history"]) -> Times:
        """WhatsApp's time of what arrives now, that of its arrival, and its place: none in a history sync."""
        place = None if source == "history" else self._order.place(chat, at, source)
        return at, self._file.clock(), place

    def _take_back(self, key: int) -> Times | None:
        """Remove a placeholder that may not have left yet; return its times, None where it has left."""
        row = self._file.row("SELECT at, received_at, place FROM inbox WHERE key = ?", (key,))
        self._file.write("DELETE FROM inbox WHERE key = ?", (key,))
        return row

    def _show(self, key: int | None) -> bool:
        shown = "UPDATE inbox SET kind = 'message' WHERE key = ? AND kind = ?"
        return self._file.write(shown, (key, WANTED_ROW)) == 1

    def tombstone(self, chat: str, sender: str, message_id: str) -> tuple[int, int | None] | None:
        """Return whether the message was read (1 or 0) and the key of its item; None where it never came."""
        return self._file.row(
            "SELECT readable, inbox FROM tombstones WHERE chat = ? AND sender = ? AND message_id = ?",
            (chat, sender, message_id),
        )


def _message(row: Any) -> InboxMessage:
    key, chat, sender, message_id, at, type_, text, from_me, *others = row
    return InboxMessage(key, chat, sender, message_id, at, type_, text, bool(from_me), *others)


def _receipt(row: Any) -> InboxReceipt:
    key, chat, _, message_ids, at, status, *_ = row
    return InboxReceipt(key, chat, tuple(json.loads(message_ids)), status, at)


def _merge(row: Any) -> InboxMerge:
    key, new, old, *_ = row
    return InboxMerge(key, old, new)


_READ: Final[Mapping[InboxKind, Callable[[Any], Any]]] = {
    "message": _message,
    "history": _message,
    "receipt": _receipt,
    "merge": _merge,
}
