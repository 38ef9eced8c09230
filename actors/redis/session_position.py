"""The position of a session file: it tells the live one from every older copy."""

from __future__ import annotations

from typing import NamedTuple


class Position(NamedTuple):
    """The epoch of a session's owner, and how many commits the file has seen; ordered by both.

    Two files with one position are the same: an epoch has one owner, and that counts each commit.
    """

    epoch: int
    commit: int
