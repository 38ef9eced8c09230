"""Polls a condition that nobody reports, until it holds; fails after a time, and names the condition."""

from __future__ import annotations

import asyncio
import inspect
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar, overload

import httpx

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")

NOISE = 5
"""The factor by which a recovery bound may be exceeded while other tests share the cores."""


def until(what: str, look: Callable[[], T | None], seconds: float) -> T:
    """The first true value of `look`; fails naming `what` after `seconds`.

    A server that does not answer yet, or is being restarted, is looked at again.
    """
    begun = time.monotonic()
    while True:
        with suppress(httpx.TransportError):
            if found := look():
                return found
        waited = time.monotonic() - begun
        assert waited < seconds, f"not within {seconds} s: {what}"
        time.sleep(_pause(waited))


def passes(look: Callable[[], bool], seconds: float) -> bool:
    """Whether `look` says yes within that time; what is away, or refuses, meanwhile says no."""
    begun = time.monotonic()
    while True:
        with suppress(httpx.HTTPError):
            if look():
                return True
        waited = time.monotonic() - begun
        if waited > seconds:
            return False
        time.sleep(_pause(waited))


@overload
async def eventually(what: str, look: Callable[[], Awaitable[T | None]], seconds: float) -> T: ...


@overload
async def eventually(what: str, look: Callable[[], T | None], seconds: float) -> T: ...


async def eventually(what: str, look: Callable[[], Any], seconds: float) -> Any:
    """The same beside other tasks; `look` may be a coroutine function."""
    begun = time.monotonic()
    while True:
        found: Any = look()
        if inspect.isawaitable(found):
            found = await found
        if found:
            return found
        waited = time.monotonic() - begun
        assert waited < seconds, f"not within {seconds} s: {what}"
        await asyncio.sleep(_pause(waited))


def _pause(waited: float) -> float:
    """Seconds until the next look: what comes soon is seen soon, and a long wait costs the machine little."""
    return min(max(0.005, waited / 10), 0.25)
