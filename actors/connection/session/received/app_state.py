"""Stores received app-state changes in the session file until stored elsewhere, and each collection's version."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from actors.connection.abilities.app_state_changes import InboxAppState, InboxReplaced
from actors.connection.session.received.refused_rows import REFUSED_ITEM
from actors.connection.session.session_part import SessionPart

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.connection.abilities.app_state_changes import AppStateChange
    from actors.connection.session.file import SessionFile
    from actors.connection.session.identities.chat_renames import ChatRenames
    from actors.connection.session.identities.contact_names import ContactNames

APP_STATE: Final = "app_state"
"""The kind of a row with a change, or with the end of a full sync."""

REPLACED_ROW: Final = "replaced"
"""The type of a row that ends a full sync."""


class AppState(SessionPart):
    """Each change is on disk with the version that brought it, or neither is (G5)."""

    def __init__(self, file: SessionFile, names: ChatRenames, contact_names: ContactNames) -> None:
        super().__init__(file)
        self._names = names
        self._contact_names = contact_names

    def version(self, collection: str) -> int | None:
        """The version up to which changes of the collection were noted; None before its first full sync.

        An engine whose own version differs has to sync the collection in full: changes were lost between
        the two, or the session is an older copy.
        """
        row = self._file.row("SELECT version FROM app_state WHERE collection = ?", (collection,))
        return None if row is None else int(row[0])

    def note(
        self,
        collection: str,
        version: int,
        changes: Sequence[AppStateChange],
        *,
        after: int | None,
        begun: int | None = None,
    ) -> bool:
        """Put changes of a collection in, in order: those that lead from version `after` to `version`.

        `after` None is a full sync: settings that the collection had and `changes` have not are gone; `begun` is what
        `note_part` returned, where parts came before. A version that was noted already changes
        nothing. False, and nothing is noted, where the session is not at `after` yet, or never had a full sync:
        the engine has to do one.
        """
        stored = self.version(collection)
        if after is not None:
            if stored is None or stored < after:
                return False
            if stored >= version:
                return True
        begun = self.note_part(collection, changes, begun, news=after is not None)
        if after is None:
            end = {"epoch": self._file.epoch, "until": begun, "at": self._file.clock()}
            self._put_row(("", "", collection, REPLACED_ROW, "history", json.dumps(end)))
            self._contact_names.drop_left_out(collection, begun)
        self._file.write("INSERT OR REPLACE INTO app_state VALUES (?, ?)", (collection, version))
        return True

    def note_part(
        self,
        collection: str,
        changes: Sequence[AppStateChange],
        begun: int | None = None,
        *,
        news: bool = False,
    ) -> int:
        """Put in a part of a full sync; return the inbox key where the sync began, for its next part and its end.

        A sync that is cut off before its end removes nothing, and its parts come again.
        """
        if begun is None:
            last = self._file.row("SELECT seq FROM sqlite_sequence WHERE name = 'inbox'")
            begun = 0 if last is None else int(last[0])
        for change in changes:
            self._put_change(collection, change, news=news)
        return begun

    def pending(self, limit: int) -> list[InboxAppState | InboxReplaced]:
        """The oldest unsettled rows, oldest first."""
        rows = self._file.rows(
            "SELECT key, chat, sender, message_id, type, source, content FROM inbox"
            " WHERE kind = ? ORDER BY key LIMIT ?",
            (APP_STATE, limit),
        )
        return [_item(row) for row in rows]

    def move(self, old: str, new: str) -> bool:
        """Settings noted of the address `old` become those of `new`; True where some may be stored elsewhere."""
        if old.endswith("@lid") and not self._file.write(
            "DELETE FROM app_state_lids WHERE lid = ?", (old,)
        ):
            return False
        self._note_lid(new)
        self._file.write(
            "UPDATE inbox SET chat = ? WHERE kind IN (?, ?) AND chat = ?",
            (new, APP_STATE, REFUSED_ITEM, old),
        )
        return True

    def forget_all(self) -> None:
        """Have each collection synced in full once an account is linked again."""
        self._file.write("DELETE FROM app_state")

    def _put_change(self, collection: str, change: AppStateChange, *, news: bool) -> None:
        id_ = change.id
        if change.subject != "label":
            id_ = self._names.chat_today(id_)
            self._note_lid(id_)
        at = self._file.clock() if change.at is None else change.at
        document = {"epoch": self._file.epoch, "value": change.value, "at": at, "as": change.id}
        if change.removed:
            document["removed"] = True
        content = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
        source = "live" if news else "history"
        self._put_row((id_, change.subject, collection, change.setting, source, content))
        if change.subject == "contact" and change.setting == "name":
            self._contact_names.note(id_, change, collection)

    def _put_row(self, row: tuple[str, ...]) -> None:
        self._file.write(
            "INSERT INTO inbox (kind, at, from_me, chat, sender, message_id, type, source, content)"
            " VALUES (?, ?, 0, ?, ?, ?, ?, ?, ?)",
            (APP_STATE, int(self._file.clock()), *row),
        )

    def _note_lid(self, address: str) -> None:
        if address.endswith("@lid"):
            self._file.write("INSERT OR IGNORE INTO app_state_lids VALUES (?)", (address,))


def _item(row: Any) -> InboxAppState | InboxReplaced:
    key, id_, subject, collection, setting, source, content = row
    packed = json.loads(content)
    if setting == REPLACED_ROW:
        return InboxReplaced(key, packed["epoch"], collection, packed["until"], packed["at"])
    return InboxAppState(
        key,
        packed["epoch"],
        collection,
        subject,
        id_,
        setting,
        packed["value"],
        packed["at"],
        news=source == "live",
        noted_as=packed["as"],
        removed=packed.get("removed", False),
    )
