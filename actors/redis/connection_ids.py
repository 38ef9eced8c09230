"""Ids of connections (pure): a name, which may be used again, and an incarnation, which never is.

A connection is known to people by its name (``shop``) and to everything below the API by its id
(``shop--K7Q2M9XA4TBC``), so that what is left of a deleted connection is never taken for what belongs
to the next of that name (G12). A connection that was created before there were incarnations has its
bare name as its id; no connection is created with such an id any more.
"""

from __future__ import annotations

import re
import secrets
import string

NAME = r"[a-z0-9][a-z0-9_-]{0,63}"
INCARNATION = r"[A-Z][0-9A-Z]{11}"
"""A capital letter begins it, and no name has one: so that the two parts of an id are told apart."""
ID = rf"{NAME}(?:--{INCARNATION})?"

_NAME, _ID = re.compile(NAME), re.compile(ID)
_CHARACTERS = string.ascii_uppercase + string.digits


def is_name(text: str) -> bool:
    """Whether a connection may be created with this name."""
    return _NAME.fullmatch(text) is not None


def is_connection(text: str) -> bool:
    """Whether that may be the id of a connection, or its name."""
    return _ID.fullmatch(text) is not None


def new_id(name: str) -> str:
    """An id that no connection ever had: 62 random bits tell it from all others of the name."""
    first = secrets.choice(string.ascii_uppercase)
    return id_of(name, first + "".join(secrets.choice(_CHARACTERS) for _ in range(11)))


def id_of(name: str, incarnation: str | None) -> str:
    """The id of a connection, as `name_of` and `incarnation_of` take it apart."""
    return name if incarnation is None else f"{name}--{incarnation}"


def name_of(connection: str) -> str:
    """The name in the id of a connection; any other text is returned as it is."""
    name, _, incarnation = connection.rpartition("--")
    return name if incarnation[:1].isupper() else connection


def incarnation_of(connection: str) -> str | None:
    """The incarnation in the id of a connection; None where its id is its bare name."""
    name = name_of(connection)
    return None if name == connection else connection[len(name) + 2 :]
