"""Waiting for what nobody tells: look again until it is so, or fail and say what was waited for."""

from __future__ import annotations

import asyncio
import inspect
import time
from contextlib import suppress
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any, TypeVar, overload

import httpx

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")

NOISE = 5
"""How many times a recovery bound may take while other tests share the cores."""


def until(what: str, look: Callable[[], T | None], seconds: float) -> T:
    """The first true value of `look`; fails naming `what` after `seconds`.

    A server that does not answer yet, or is being restarted, is looked at again.
    """
    end = time.monotonic() + seconds
    # What is there at once is seen at once, and what takes long costs the machine little.
    for pause in chain((0.005, 0.01, 0.02), repeat(0.05)):
        with suppress(httpx.TransportError):
            if found := look():
                return found
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(pause)
    raise AssertionError


def passes(look: Callable[[], bool], seconds: float) -> bool:
    """Whether `look` says yes within that time; what is away, or refuses, meanwhile says no."""
    end = time.monotonic() + seconds
    while True:
        with suppress(httpx.HTTPError):
            if look():
                return True
        if time.monotonic() > end:
            return False
        time.sleep(0.05)


@overload
async def eventually(what: str, look: Callable[[], Awaitable[T | None]], seconds: float) -> T: ...


@overload
async def eventually(what: str, look: Callable[[], T | None], seconds: float) -> T: ...


async def eventually(what: str, look: Callable[[], Any], seconds: float) -> Any:
    """The same beside other tasks; `look` may be a coroutine function."""
    end = time.monotonic() + seconds
    while True:
        found: Any = look()
        if inspect.isawaitable(found):
            found = await found
        if found:
            return found
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        await asyncio.sleep(0.01)
