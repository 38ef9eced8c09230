"""The position of a session file: it tells the live one from every older copy."""

from __future__ import annotations

from typing import NamedTuple, Self


class Position(NamedTuple):
    """The epoch of a session's owner, and how many commits the file has seen; ordered by both.

    Two files with one position are the same: an epoch has one owner, and that counts each commit.
    """

    epoch: int
    commit: int

    @classmethod
    def read(cls, value: str | None) -> Self | None:
        """Return the position in a field of the lease record; None where it has none."""
        return cls(*map(int, value.split())) if value else None
