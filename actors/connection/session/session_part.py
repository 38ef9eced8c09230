"""Defines the base class of tables in the session file: each subclass stores one kind of rows, in shared transactions."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from actors.connection.session.file import SessionFile


class Expired(NamedTuple):
    """The rows of a table whose term is over, by a condition in SQL and its parameters."""

    table: str
    where: str
    parameters: tuple[float | str, ...]


class SessionPart:
    """Rows of one kind, in the file and the transactions of a session.

    A read sees what is committed, and inside a transaction that too. A method that changes something has to
    be called inside ``async with session.transaction()`` and raises `RuntimeError` otherwise.
    """

    def __init__(self, file: SessionFile) -> None:
        self._file = file
