"""Defines the errors that answer `iq` queries, and limits the number of users in a query."""

from __future__ import annotations

from typing import Any, Final

MAX_USERS: Final = 256


class QueryError(Exception):
    """An error that answers a query: `code` and the protocol's word for it."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


def users_of(listed: Any) -> list[Any]:
    """Returns the users in a query.

    Raises QueryError above MAX_USERS, whose creation would delay all other clients.
    """
    users: list[Any] = listed.get_children("user")
    if len(users) > MAX_USERS:
        raise QueryError(429, "rate-overlimit")
    return users
