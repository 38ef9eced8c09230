"""Defines the base class of buckets whose calls block: checks names, and runs each call in a thread."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from actors.connection.backup.bucket.port import check_name

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from actors.connection.backup.bucket.port import Content, Entry


class BlockingBucket(ABC):
    """Implements `Bucket` by the blocking calls of a subclass. Raises as the port says."""

    async def write(self, name: str, data: bytes, replaces: int = 0) -> int:
        """See the port."""
        return await self._do(self._write, check_name(name), data, replaces)

    async def read(self, name: str) -> Content | None:
        """See the port."""
        return await self._do(self._read, check_name(name))

    async def list(self, prefix: str) -> Sequence[Entry]:
        """See the port."""
        return await self._do(self._list, prefix)

    async def delete(self, name: str, generation: int = 0) -> None:
        """See the port."""
        await self._do(self._delete, check_name(name), generation)

    async def _do(self, step: Callable[..., Any], *arguments: object) -> Any:
        with self._errors():
            return await asyncio.to_thread(step, *arguments)

    @abstractmethod
    def _errors(self) -> AbstractContextManager[None]:
        """Turn the errors of a call into those of the port."""

    @abstractmethod
    def _write(self, name: str, data: bytes, replaces: int) -> int: ...

    @abstractmethod
    def _read(self, name: str) -> Content | None: ...

    @abstractmethod
    def _list(self, prefix: str) -> Sequence[Entry]: ...

    @abstractmethod
    def _delete(self, name: str, generation: int) -> None: ...
