"""Defines the body of a webhook request: JSON, and perhaps a file in it as base64, which is read piece by piece."""

from __future__ import annotations

import asyncio
import base64
from typing import TYPE_CHECKING, BinaryIO, Final

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

BASE64_PIECE_BYTES: Final = 49_152
"""Bytes of a file in memory at a time: a multiple of three, so that base64 has no gap between two pieces."""


class DeliveryBody:
    """Is read twice, to sign it and to send it; a file in it is never whole in memory."""

    def __init__(
        self, start: bytes, file: BinaryIO | None = None, size: int = 0, end: bytes = b""
    ) -> None:
        """`file` stands between `start` and `end`, `size` bytes of it."""
        self._start, self._file, self._size, self._end = start, file, size, end

    def __len__(self) -> int:
        return len(self._start) + 4 * ((self._size + 2) // 3) + len(self._end)

    @property
    def whole(self) -> bytes | None:
        """The bytes; None where a file is among them."""
        return self._start if self._file is None else None

    def pieces(self) -> Iterator[bytes]:
        """The bytes in their order, from the first. Raises OSError."""
        yield self._start
        if self._file is None:
            return
        self._file.seek(0)
        left = self._size
        while left:
            piece = self._file.read(min(BASE64_PIECE_BYTES, left))
            if not piece:
                raise OSError("the file is shorter than it was")
            left -= len(piece)
            yield base64.b64encode(piece)
        yield self._end

    async def stream(self) -> AsyncIterator[bytes]:
        """The pieces, each read in a thread. Raises OSError."""
        pieces = self.pieces()
        while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
            yield piece

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
