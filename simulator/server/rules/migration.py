"""Migration of accounts to LIDs: whether an account's direct chats are named by LID."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulator.server.rules.properties import Properties


class Migrations:
    """Accounts have migrated unless it is said otherwise; it survives a restart."""

    def __init__(self, properties: Properties) -> None:
        self._properties = properties

    def done(self, number: str) -> bool:
        return self._properties.get(number, "migrated") != "no"

    def change(self, number: str, *, done: bool) -> None:
        self._properties.put(number, "migrated", "yes" if done else "no")
