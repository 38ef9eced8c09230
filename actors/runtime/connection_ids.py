"""Creates and parses ids of connections: a reusable name and a unique suffix (pure).

A connection is known to people by its name (``shop``) and to everything below the API by its id
(``shop--K7Q2M9XA4TBC``), so that what is left of a deleted connection is never taken for what belongs
to the next of that name (G12). The API calls the name `id` and the id `incarnation`. An id
without a suffix is its own name.
"""

from __future__ import annotations

import re
import secrets
import string
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

CONNECTION_NAME = r"[a-z0-9][a-z0-9_-]{0,63}"
SUFFIX = r"[A-Z][0-9A-Z]{11}"
"""A capital letter begins it, and no name has one, so that an id has one reading."""
ID = rf"{CONNECTION_NAME}(?:--{SUFFIX})?"

_NAME, _ID = re.compile(CONNECTION_NAME), re.compile(ID)
_CHARACTERS = string.ascii_uppercase + string.digits


def is_name(text: str) -> bool:
    """Whether a connection may be created with this name."""
    return _NAME.fullmatch(text) is not None


def is_connection(text: str) -> bool:
    """Whether that may be the id of a connection, or its name."""
    return _ID.fullmatch(text) is not None


def new_id(name: str) -> str:
    """Return an id that no connection ever had: 62 random bits distinguish it from others of the name."""
    first = secrets.choice(string.ascii_uppercase)
    return f"{name}--{first}{''.join(secrets.choice(_CHARACTERS) for _ in range(11))}"


def id_in(document: Mapping[str, Any]) -> str:
    """The id of the connection that a document of ``whatsapp_connection_states`` describes."""
    found: str = document.get("incarnation") or document["id"]
    return found


def name_of(connection: str) -> str:
    """The name in the id of a connection; any other text is returned as it is."""
    name, _, incarnation = connection.rpartition("--")
    return name if incarnation[:1].isupper() else connection
