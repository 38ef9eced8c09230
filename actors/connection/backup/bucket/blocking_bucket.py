"""Defines the base class of buckets whose calls block: checks names, and runs calls in threads of its own."""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

from actors.connection.backup.bucket.port import BucketAway, Conflict, check_name
from actors.health.breakers import Breaker

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from actors.connection.backup.bucket.port import BucketObject, Content


THREADS: Final = 8
"""Calls at once. The threads are the bucket's own: one that hangs holds up nothing else of its process."""

CALL_SECONDS: Final = 50.0
"""Seconds after which nobody waits for a call any more; its thread may."""

SILENT: Final = 5.0
"""Seconds after which a call that fails had no answer."""

SILENT_BUCKET_SECONDS: Final = 5.0
"""Seconds for which no call is made after one without an answer."""


WITHOUT_ANSWER: Final = frozenset({"no_answer", "outage"})
"""Reasons of `BucketAway` where a call may still wait in its thread."""


class BlockingBucket(ABC):
    """Implements `Bucket` by the blocking calls of a subclass. Raises as the port says.

    After a call without an answer all others raise `BucketAway` at once for `SILENT_BUCKET_SECONDS`; then one asks again.
    """

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS, "bucket")
        self._breaker = Breaker(
            limit=1, cooldown=SILENT_BUCKET_SECONDS, longest=SILENT_BUCKET_SECONDS
        )

    async def write(self, name: str, data: bytes, replaces: int = 0) -> int:
        """See the port."""
        return await self._do(self._write, check_name(name), data, replaces)

    async def read(self, name: str) -> Content | None:
        """See the port."""
        return await self._do(self._read, check_name(name))

    async def list(self, prefix: str) -> Sequence[BucketObject]:
        """See the port."""
        return await self._do(self._list, prefix)

    async def delete(self, name: str, generation: int = 0) -> None:
        """See the port."""
        await self._do(self._delete, check_name(name), generation)

    async def _do(self, step: Callable[..., Any], *arguments: object) -> Any:
        began, answered = time.monotonic(), False
        if not self._breaker.allows(began):
            raise BucketAway("outage")
        self._breaker = self._breaker.tried(began)
        try:
            async with asyncio.timeout(CALL_SECONDS):
                with self._errors():
                    result = await asyncio.get_running_loop().run_in_executor(
                        self._threads, step, *arguments
                    )
            answered = True
        except TimeoutError:
            raise BucketAway("no_answer") from None
        except Conflict:
            answered = True
            raise
        finally:
            now = time.monotonic()
            works = answered or now - began < SILENT
            self._breaker = self._breaker.succeeded() if works else self._breaker.failed(now)
        return result

    @abstractmethod
    def _errors(self) -> AbstractContextManager[None]:
        """Turn the errors of a call into those of the port."""

    @abstractmethod
    def _write(self, name: str, data: bytes, replaces: int) -> int: ...

    @abstractmethod
    def _read(self, name: str) -> Content | None: ...

    @abstractmethod
    def _list(self, prefix: str) -> Sequence[BucketObject]: ...

    @abstractmethod
    def _delete(self, name: str, generation: int) -> None: ...
