"""Maps the service's message ids to those of the former engine neonize and back, by a table of the session file."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from actors.connection.session.row_cache import RowCache
from actors.connection.session.session_part import SessionPart
from actors.messages.content import Change, Notice, Star

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.connection.session.file import SessionFile
    from actors.messages.content import Content, Target

ALIAS_SECONDS = 90 * 86_400.0


class MessageAliases(SessionPart):
    """Maps WhatsApp's ids to the service's, for 90 days; none is added any more.

    A message that was tried again may have several; the newest is the one that others see.
    """

    def __init__(self, file: SessionFile) -> None:
        super().__init__(file)
        self._any = RowCache(file, self._read_any)

    def _read_any(self, _: str) -> bool:
        return self._file.row("SELECT 1 FROM aliases LIMIT 1") is not None

    def theirs(self, ours: str) -> str:
        """WhatsApp's id of a message of the service's; the same one where no other is known."""
        row = self._file.row(
            "SELECT theirs FROM aliases WHERE ours = ? ORDER BY at DESC LIMIT 1", (ours,)
        )
        return ours if row is None else str(row[0])

    def ours(self, theirs: str) -> str:
        """The service's id of a message; the same one where WhatsApp has it under that."""
        if not self._any.get():
            return theirs
        row = self._file.row("SELECT ours FROM aliases WHERE theirs = ?", (theirs,))
        return theirs if row is None else str(row[0])

    def prune(self, now: float) -> None:
        """Drop those that are older than 90 days."""
        self._any.change()
        self._file.write("DELETE FROM aliases WHERE at < ?", (now - ALIAS_SECONDS,))


def retargeted(content: Content, named: Callable[[str], str]) -> Content:
    """Return the content with the ids of the account's own messages in it renamed by `named`."""
    if isinstance(content, Change | Star):
        return replace(content, target=_renamed(content.target, named))
    if isinstance(content, Notice):  # it is about messages of others
        return content
    if content.reply_to is None:
        return content
    return replace(
        content, reply_to=replace(content.reply_to, target=_renamed(content.reply_to.target, named))
    )


def _renamed(target: Target, named: Callable[[str], str]) -> Target:
    if target.sender is not None:
        return target
    return replace(target, message_id=named(target.message_id))
