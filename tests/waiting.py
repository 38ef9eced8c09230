"""Waiting for what nobody tells: look again until it is so, or fail and say what was waited for."""

from __future__ import annotations

import asyncio
import inspect
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

import httpx

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")


def until(what: str, look: Callable[[], T | None], seconds: float) -> T:
    """The first true value of `look`; fails naming `what` after `seconds`.

    A server that does not answer yet, or is being restarted, is looked at again.
    """
    end = time.monotonic() + seconds
    while True:
        with suppress(httpx.TransportError):
            if found := look():
                return found
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.05)


async def eventually(
    what: str, look: Callable[[], T | Awaitable[T | None] | None], seconds: float
) -> T:
    """The same beside other tasks; `look` may be a coroutine function."""
    end = time.monotonic() + seconds
    while True:
        found: Any = look()
        if inspect.isawaitable(found):
            found = await found
        if found:
            value: T = found
            return value
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        await asyncio.sleep(0.01)
