"""Stores received items by the StateManager; halves a batch that is refused, and has single refused items set aside."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import structlog

from actors.connection.state_manager.port import StateRefused

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

log = structlog.get_logger()

T = TypeVar("T")


async def store_each(
    items: Sequence[T],
    store: Callable[[Sequence[T]], Awaitable[bool]],
    set_aside: Callable[[T], Awaitable[None]],
) -> bool:
    """Store items in their order, and hand each that is refused by itself to `set_aside`.

    Items that are refused together are halved: one among n takes about 2 log2(n) calls. False as soon as `store`
    returns it, and the rest is not stored then. Raises what either raises; a repeat of it all is harmless
    where that of `store` is.
    """
    try:
        return await store(items)
    except StateRefused:
        if len(items) == 1:
            await set_aside(items[0])
            return True
    middle = len(items) // 2
    return await store_each(items[:middle], store, set_aside) and await store_each(
        items[middle:], store, set_aside
    )


async def unless_refused(storing: Awaitable[T], *, connection: str, action: str) -> T | None:
    """The result of storing a report; None where the store refuses it for good.

    A report is nobody's word: it is logged and left out, and the next one goes on.
    """
    try:
        return await storing
    except StateRefused:
        log.error("report refused by the state store", action=action, connection=connection)  # noqa: TRY400
        return None
