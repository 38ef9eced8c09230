"""Declares the methods of the StateManager actor, by which connections store received items and report states."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

Cleared = tuple[Literal["more", "done", "lost"], str | None]
"""Whether anything is left to be cleared, and behind which place; ``lost`` under a newer epoch."""


class StateAway(Exception):
    """The StateManager did not confirm: it is dead, not known yet, or its store is away."""


class StateRefused(Exception):
    """The store never takes what was given, all of it together: nothing of it is stored."""


class State(Protocol):
    """The StateManager as a connection sees it; each call may be repeated.

    Each raises `StateAway`, which passes, and `StateRefused`, which does not.
    """

    async def store_messages(
        self, connection: str, epoch: int, items: Sequence[dict[str, Any]]
    ) -> bool:
        """True when the store has them; `items` have the fields of `InboxMessage`.

        False, and nothing is written, once a newer epoch has the connection.
        """

    async def note_statuses(
        self, connection: str, epoch: int, items: Sequence[dict[str, Any]]
    ) -> bool:
        """As `store_messages`, with the fields of `InboxStatus`, for messages that are stored."""

    async def note_files(
        self, connection: str, epoch: int, items: Sequence[dict[str, Any]]
    ) -> bool:
        """As `store_messages`, with the fields of `InboxFile`."""

    async def note_app_state(
        self, connection: str, epoch: int, items: Sequence[dict[str, Any]]
    ) -> bool:
        """As `store_messages`, with the fields of `InboxAppState`, in order."""

    async def clear_app_state(
        self, connection: str, epoch: int, replaced: dict[str, Any], after: str | None
    ) -> Cleared:
        """Clear a share of what a full sync left out; `replaced` has the fields of `InboxReplaced`.

        `after` is None at first, then that of the share before.
        """

    async def merge_chat(
        self, connection: str, epoch: int, old: str, new: str
    ) -> Literal["more", "done", "lost"]:
        """Move a share of what is stored in the chat `old` to `new`.

        ``done`` once nothing is left; ``lost``, and nothing moves, under a newer epoch.
        """

    async def note_pairing(
        self, connection: str, epoch: int, items: Sequence[dict[str, Any]]
    ) -> bool:
        """As `store_messages`, with the fields of `PairingNotice`, in the order of their numbers."""

    async def note_calls(
        self, connection: str, epoch: int, items: Sequence[dict[str, Any]]
    ) -> bool:
        """As `store_messages`, with the fields of `abilities.port.Call`."""

    async def note_limit(self, connection: str, epoch: int, limit: dict[str, Any]) -> bool:
        """As `store_messages`, with the fields of `LimitNotice`."""

    async def report_state(self, connection: str, observed: dict[str, Any]) -> None:
        """Note what the connection is; the newest epoch wins."""
