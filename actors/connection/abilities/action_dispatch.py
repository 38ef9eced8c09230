"""Executes a read mark, star or chat change from the Redis queue by the engine's method; the connection's sender calls it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.messages.content import ReadMark

if TYPE_CHECKING:
    from actors.connection.engine import Engine
    from actors.messages.content import Notice


async def notify(engine: Engine, chat: str, notice: Notice, at: float) -> None:
    """Tell WhatsApp of it, `at` seconds since the epoch. Raises as the engine's method does."""
    if isinstance(notice, ReadMark):
        await engine.mark_read(chat, notice, at)
    else:
        await engine.change_chat(chat, notice, at)
