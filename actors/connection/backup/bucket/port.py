"""Declares the bucket interface: read, list, delete, and write objects on condition of their generation.

A generation is a number that rises whenever the object is written. A write says which one it
replaces (0: there must be none), so of two that replace the same one exactly one happens.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}(/[A-Za-z0-9_][A-Za-z0-9._-]{0,127})*")


class BucketAway(Exception):
    """The bucket did not answer, and the call may have been executed. Repeat it.

    `reason` is a stable word, never text of a server.
    """

    code: Final = "vault_away"

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Conflict(Exception):
    """The object is not of the generation that was to be replaced. Nothing was written."""

    code: Final = "vault_conflict"


@dataclass(frozen=True, slots=True)
class BucketObject:
    """An object as a list shows it: `at` is when it was written, in seconds since the epoch."""

    name: str
    generation: int
    size: int
    at: float


@dataclass(frozen=True, slots=True)
class Content:
    """An object as it was read."""

    generation: int
    data: bytes = field(repr=False)


class Bucket(Protocol):
    """Whole objects by name, which `check_name` checks. Each method raises `BucketAway`."""

    async def write(self, name: str, data: bytes, replaces: int = 0) -> int:
        """Write the object whole, on disk; return its generation. Raises `Conflict`.

        One that raised `BucketAway` may have been written: it is there whole, or as it was. So the
        same bytes again, where they are there, are the same write, whatever they were to replace.
        """

    async def read(self, name: str) -> Content | None:
        """The object; None where there is none."""

    async def list(self, prefix: str) -> Sequence[BucketObject]:
        """The objects whose names begin with `prefix`, in the order of their names."""

    async def delete(self, name: str, generation: int = 0) -> None:
        """Remove the object; harmless where there is none.

        With a `generation` only that one; raises `Conflict` where there is another.
        """


def check_name(name: str) -> str:
    """The name of an object; raises ValueError for one that would leave the bucket's directory."""
    if not _NAME.fullmatch(name) or len(name) > 512:
        raise ValueError("not the name of an object")
    return name
