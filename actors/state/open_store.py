"""Opens the state store that the settings name, SQLite or Firestore, for the calling process."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from actors.config.settings import Settings
    from actors.state.documents import Documents


def open_documents(settings: Settings) -> Documents:
    """The instance's state store. Opening does not wait for the store.

    Each process that needs it opens its own, so that none depends on another being there; a
    connection's has none.
    """
    if settings.on_firestore:
        from actors.state.firestore.store import FirestoreDocuments  # noqa: PLC0415 - heavy

        return FirestoreDocuments(settings)
    from actors.state.sqlite.store import SqliteDocuments  # noqa: PLC0415 - not beside Firestore

    return SqliteDocuments(settings.state_file)
