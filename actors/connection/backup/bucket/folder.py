"""Implements the bucket interface on a folder of another bucket, whose objects have the folder before their names."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.connection.backup.bucket.port import Bucket, BucketObject, Content


class BucketFolder:
    """The objects of `bucket` below `folder`, by the rest of their names. Raises what the bucket raises."""

    def __init__(self, bucket: Bucket, folder: str) -> None:
        self._bucket = bucket
        self._folder = f"{folder}/"

    async def write(self, name: str, data: bytes, replaces: int = 0) -> int:
        """See the port."""
        return await self._bucket.write(self._folder + name, data, replaces)

    async def read(self, name: str) -> Content | None:
        """See the port."""
        return await self._bucket.read(self._folder + name)

    async def list(self, prefix: str) -> Sequence[BucketObject]:
        """See the port."""
        found = await self._bucket.list(self._folder + prefix)
        return [replace(each, name=each.name.removeprefix(self._folder)) for each in found]

    async def delete(self, name: str, generation: int = 0) -> None:
        """See the port."""
        await self._bucket.delete(self._folder + name, generation)
