"""Defines engine methods that list chats' changed addresses (LID, number), and that queue merges of chats in the inbox."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence


class NameChange(NamedTuple):
    """The chat `old` is called `new` from now on, or is its own again where they are equal.

    `number` rises with what a session learns. Both are canonical addresses.
    """

    number: int
    old: str
    new: str


class Names(Protocol):
    """Names that an engine learnt; each is in the session file before anything follows from it."""

    def chat_today(self, chat: str) -> str:
        """The canonical address of the chat's person today; of a group its own."""

    @property
    def renamed_to(self) -> int:
        """The number of the last name that was learnt."""

    def renamings(self, behind: int, limit: int) -> Sequence[NameChange]:
        """Names that were learnt after that number, in order; of each address the last one."""


class NamedChats(Protocol):
    """The engine's chats: their names, and moving what is stored of them."""

    @property
    def names(self) -> Names:
        """The names that the session learnt."""

    async def merge(self, chats: Sequence[tuple[str, str]]) -> None:
        """Have what is stored of the first chat of each pair moved to the second: an `InboxMerge` each.

        Raises as `Engine.settle`.
        """
