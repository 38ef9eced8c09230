"""Names of chats that a test has an engine learn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.connection.address_changes.port import NameChange

if TYPE_CHECKING:
    from collections.abc import Sequence


class Learnt:
    """The port's part about names, for engines of tests: its names are those that `learn` was given."""

    _learnt: tuple[NameChange, ...] = ()
    merged: tuple[tuple[str, str], ...] = ()
    linked_at: float | None = None
    """When the account was linked: nothing says that it is new."""

    def learn(self, old: str, new: str) -> None:
        """Learns a name, as from WhatsApp now."""
        known = tuple(each for each in self._learnt if each.old != old)
        self._learnt = (*known, NameChange(self.renamed_to + 1, old, new))

    @property
    def names(self) -> Learnt:
        return self

    def chat_today(self, chat: str) -> str:
        return next((each.new for each in self._learnt if each.old == chat), chat)

    @property
    def renamed_to(self) -> int:
        return max((each.number for each in self._learnt), default=0)

    def renamings(self, behind: int, limit: int) -> list[NameChange]:
        return [each for each in self._learnt if each.number > behind][:limit]

    async def merge(self, chats: Sequence[tuple[str, str]]) -> None:
        self.merged += tuple(each for each in chats if each not in self.merged)
