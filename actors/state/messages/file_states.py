"""Builds the StateManager's write of a file's state (pending, deferred, stored, failed) to its message's document (pure).

It is in the field ``media`` (`message_document.FileState`). The result is the same in whatever order this comes, and
however often (G5), also before the message: a document with ``media`` alone stands for that until it
is stored, and no list shows it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from actors.state.documents import MESSAGES, Write
from actors.state.events.derivation import of_file
from actors.state.messages.applied_changes import incoming_id

if TYPE_CHECKING:
    from collections.abc import Mapping

    from actors.state.documents import Document
    from actors.state.messages.message_document import FileState

PENDING_FILE: Final[FileState] = {"state": "pending", "error": None}
STORED_STATE: Final[FileState] = {"state": "stored", "error": None}

_RANK: Final = {"pending": 0, "deferred": 1, "failed": 2, "stored": 3}
_OPEN: Final = frozenset({None, "pending", "deferred"})


def settling(connection: str, item: Mapping[str, Any], now: float) -> Write:
    """The write that notes what became of a file (the fields of `engine.InboxFile`), and its event."""
    chat, sender, message_id = (str(item[name]) for name in ("chat", "sender", "message_id"))
    news = {"state": str(item["status"]), "error": item["error"]}

    def change(there: Document | None) -> Document | None:
        document = there or {"connection": connection, "chat": chat}
        stored = document.get("media")
        deleted = (document.get("changes") or {}).get("deleted")
        if deleted or document["connection"] != connection:
            return None  # it says nothing any more, or is that of one who is gone
        # While it is open, news come in their order; an end is for good.
        is_open = (stored or {}).get("state") in _OPEN
        media = news if is_open else later(stored, news)
        return None if media == stored else {**document, "media": media}

    identity = incoming_id(connection, chat, sender, message_id)
    return Write(
        *("change", MESSAGES, identity),
        change=change,
        events=lambda before, after: of_file(before, after, now),
    )


def later(one: Mapping[str, Any] | None, other: Mapping[str, Any] | None) -> Document | None:
    """The one of two states of a file that counts: a stored file stays stored."""
    files = [dict(each) for each in (one, other) if each is not None]
    return max(files, key=lambda each: _RANK.get(each["state"], -1), default=None)
