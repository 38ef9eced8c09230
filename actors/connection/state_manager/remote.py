"""Implements the StateManager interface for connections, by Ray calls to the handle that supervision passed last."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Literal, cast

from actors.connection.state_manager.port import StateAway, StateRefused
from actors.state.documents import WriteRefused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.connection.refused_items.oversized_messages import OversizedMessages
    from actors.connection.state_manager.port import Cleared

CONFIRMED_WITHIN = 20.0
"""Seconds after which a StateManager that has not confirmed counts as away."""


class RemoteState:
    """Calls the StateManager by the handle that supervision passed last."""

    def __init__(self) -> None:
        self.handle: Any = None
        self.words: OversizedMessages | None = None
        """Keeps the words of messages that are too long to be stored; without it the store may refuse these."""

    async def store_messages(
        self, connection: str, epoch: int, items: Sequence[dict[str, Any]]
    ) -> bool:
        fitted = list(items) if self.words is None else await self.words.fitted(items)
        return bool(await self._call("store_messages", connection, epoch, fitted))

    async def note_statuses(
        self, connection: str, epoch: int, items: Sequence[dict[str, Any]]
    ) -> bool:
        return bool(await self._call("note_statuses", connection, epoch, list(items)))

    async def note_files(
        self, connection: str, epoch: int, items: Sequence[dict[str, Any]]
    ) -> bool:
        return bool(await self._call("note_files", connection, epoch, list(items)))

    async def note_app_state(
        self, connection: str, epoch: int, items: Sequence[dict[str, Any]]
    ) -> bool:
        return bool(await self._call("note_app_state", connection, epoch, list(items)))

    async def clear_app_state(
        self, connection: str, epoch: int, replaced: dict[str, Any], after: str | None
    ) -> Cleared:
        answer = await self._call("clear_app_state", connection, epoch, replaced, after)
        return cast("Cleared", answer)

    async def merge_chat(
        self, connection: str, epoch: int, old: str, new: str
    ) -> Literal["more", "done", "lost"]:
        progress = await self._call("merge_chat", connection, epoch, old, new)
        return cast('Literal["more", "done", "lost"]', progress)

    async def note_pairing(
        self, connection: str, epoch: int, items: Sequence[dict[str, Any]]
    ) -> bool:
        return bool(await self._call("note_pairing", connection, epoch, list(items)))

    async def note_calls(
        self, connection: str, epoch: int, items: Sequence[dict[str, Any]]
    ) -> bool:
        return bool(await self._call("note_calls", connection, epoch, list(items)))

    async def note_limit(self, connection: str, epoch: int, limit: dict[str, Any]) -> bool:
        return bool(await self._call("note_limit", connection, epoch, limit))

    async def report_state(self, connection: str, observed: dict[str, Any]) -> None:
        await self._call("report_state", connection, observed)

    async def _call(self, method: str, *args: object) -> object:
        if self.handle is None:
            raise StateAway("not known yet")
        try:
            answer = getattr(self.handle, method).remote(*args)
            async with asyncio.timeout(CONFIRMED_WITHIN):
                return await answer
        except WriteRefused as error:  # Ray's own error, which is one of its cause as well
            raise StateRefused from error
        except Exception as error:
            raise StateAway(type(error).__name__) from error
