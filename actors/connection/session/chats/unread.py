"""Stores received unread messages in the session file, with the data that their read receipts need."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from actors.connection.session.session_part import Expired, SessionPart

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from actors.messages.content import ReadMark

UNREAD_SECONDS = 30 * 86_400.0
UNREAD_ROWS = 10_000

MOST_IDS = 256
"""Messages that one receipt names at most."""


class Unread(NamedTuple):
    """One unread message; `number` 0 where it is not kept.

    `origin` and `author` are addresses as its stanza had them, without devices: of the chat, and of
    its author there (empty in a person's chat).
    """

    number: int
    message_id: str
    origin: str
    author: str


class UnreadMessages(SessionPart):
    """Unread messages, kept until they are read here or on another device, 30 days at most.

    Of the whole account `UNREAD_ROWS` are kept; the oldest make room. A mark of a whole chat covers
    what is kept, a mark of a single message needs nothing of it.
    """

    def note(self, *, chat: str, message_id: str, origin: str, author: str, at: int) -> None:
        """Note that the message arrives now; `at` is WhatsApp's time of it."""
        number = self._file.insert(
            "INSERT OR REPLACE INTO unread (chat, message_id, origin, author, at, arrived_at)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (chat, message_id, origin, author, at, self._file.clock()),
        )
        self._file.write("DELETE FROM unread WHERE number <= ?", (number - UNREAD_ROWS,))

    def marked(self, chat: str, mark: ReadMark) -> list[Unread]:
        """The messages of the chat that a mark is about, in the order of their arrival.

        Those that it names and that are not kept are among them, under canonical addresses.
        """
        for name, until in (("at", mark.until), ("arrived_at", mark.arrived)):
            if until is not None:
                return self._unread(f"chat = ? AND {name} <= ?", (chat, until))
        named = _json(target.message_id for target in mark.targets)
        kept = self._unread(f"chat = ? AND message_id IN ({_EACH})", (chat, named))
        ids = {each.message_id for each in kept}
        in_group = chat.endswith("@g.us")
        return kept + [
            Unread(0, target.message_id, chat, (target.sender or "") if in_group else "")
            for target in mark.targets
            if target.message_id not in ids
        ]

    def forget(self, numbers: Iterable[int]) -> None:
        """Those were read."""
        self._file.write(f"DELETE FROM unread WHERE number IN ({_EACH})", (_json(numbers),))  # noqa: S608

    def read_elsewhere(self, chat: str, message_ids: Iterable[str]) -> None:
        """The account read those messages of the chat on another device."""
        self._file.write(
            f"DELETE FROM unread WHERE chat = ? AND message_id IN ({_EACH})",  # noqa: S608
            (chat, _json(message_ids)),
        )

    def move(self, old: str, new: str) -> None:
        """Unread messages of the chat `old` are those of `new` from now on."""
        self._file.write("UPDATE OR IGNORE unread SET chat = ? WHERE chat = ?", (new, old))
        self._file.write("DELETE FROM unread WHERE chat = ?", (old,))

    def expired(self, now: float) -> list[Expired]:
        """Those that are older than 30 days."""
        return [Expired("unread", "arrived_at < ?", (now - UNREAD_SECONDS,))]

    def _unread(self, where: str, parameters: tuple[Any, ...]) -> list[Unread]:
        rows = self._file.rows(
            f"SELECT number, message_id, origin, author FROM unread WHERE {where} ORDER BY number",  # noqa: S608
            parameters,
        )
        return [Unread(*row) for row in rows]


class ReadBatch(NamedTuple):
    """Messages of one author in one chat, addressed as in `Unread`."""

    origin: str
    author: str
    message_ids: list[str]


def readings(unread: Iterable[Unread]) -> Iterator[ReadBatch]:
    """The messages by chat and author, `MOST_IDS` at a time: one receipt each."""
    by_author: dict[tuple[str, str], list[str]] = {}
    for each in unread:
        by_author.setdefault((each.origin, each.author), []).append(each.message_id)
    for (origin, author), numbers in by_author.items():
        for begin in range(0, len(numbers), MOST_IDS):
            yield ReadBatch(origin, author, numbers[begin : begin + MOST_IDS])


_EACH = "SELECT value FROM json_each(?)"


def _json(values: Iterable[object]) -> str:
    return json.dumps(list(values))
