"""Stores names from the phone's address book in the session file, so that messages are stored with their sender's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.connection.session.session_part import SessionPart

if TYPE_CHECKING:
    from actors.connection.abilities.app_state_changes import AppStateChange


class ContactNames(SessionPart):
    """The name of each person in the address book, by canonical address; `Inbox.pending` reads it.

    The rows repeat what app-state changes put into the inbox, which the state store has: a session without
    them, as after a backup from before, shows push names until the next full sync.
    """

    def note(self, person: str, change: AppStateChange, collection: str) -> None:
        """Note a change of the names of `person`, whose address may differ from that in `change`."""
        if change.value is None:
            self._file.write(
                "DELETE FROM contact_names WHERE person = ? AND (noted_as = ? OR ? = 0)",
                (person, change.id, int(change.removed)),
            )
            return
        name = change.value["full_name"] or change.value["first_name"]
        self._file.write(
            "INSERT OR REPLACE INTO contact_names (person, name, noted_as, collection, number)"
            " VALUES (?, ?, ?, ?, (SELECT seq FROM sqlite_sequence WHERE name = 'inbox'))",
            (person, name, change.id, collection),
        )

    def find(self, person: str) -> str | None:
        """Return the name; None where the person is not in the address book."""
        row = self._file.row("SELECT name FROM contact_names WHERE person = ?", (person,))
        return None if row is None else str(row[0])

    def drop_left_out(self, collection: str, begun: int) -> None:
        """Drop the names that a full sync of the collection, begun at that inbox key, did not bring."""
        self._file.write(
            "DELETE FROM contact_names WHERE collection = ? AND number <= ?", (collection, begun)
        )

    def move(self, old: str, new: str) -> None:
        """Let the name of `old` be that of `new`, unless that has a later one."""
        self._file.write(
            "DELETE FROM contact_names WHERE person = ?2 AND number <"
            " (SELECT number FROM contact_names WHERE person = ?1)",
            (old, new),
        )
        self._file.write(
            "UPDATE OR IGNORE contact_names SET person = ? WHERE person = ?", (new, old)
        )
        self._file.write("DELETE FROM contact_names WHERE person = ?", (old,))

    def forget_all(self) -> None:
        """Drop all names: another account may be linked next."""
        self._file.write("DELETE FROM contact_names")
