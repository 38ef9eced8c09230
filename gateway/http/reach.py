"""The connections that a request names, and whether its key reaches them."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from actors.state.documents import StoreAway
from gateway.http.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.state.connections import Connection
    from gateway.http.endpoint import Call


async def named(call: Call[Any, Any], name: str, *, fresh: bool = False) -> Connection:
    """The connection of that name or id. Problems `connection_forbidden` and `unknown_connection`.

    With `fresh` as the store has it now, where it answers: another may have the name since a moment
    ago. A key for some connections cannot tell those that are not its own from those that do not
    exist.
    """
    key, known = call.key, call.backends.known
    if not key.may_name(name):
        raise Problem("connection_forbidden")
    if fresh:
        with suppress(StoreAway):
            await known.renewed(name)
    found = await known.find(name)
    if found is not None and not key.reaches(found.id):
        # The cache may hold the former connection of this name: another gateway may have just created
        # this one.
        with suppress(StoreAway):
            found = await known.renewed(name)
    if key.connections is not None and (found is None or not key.reaches(found.id)):
        raise Problem("connection_forbidden")
    if found is None:
        raise Problem("unknown_connection")
    return found


async def of_path(call: Call[Any, Any], *, fresh: bool = False) -> Connection:
    """The connection that the path names. Problems as in `named`."""
    return await named(call, call.path["connection"], fresh=fresh)


async def all_named(call: Call[Any, Any], names: Sequence[str] | None) -> list[str] | None:
    """The ids of the connections that are named, as `named`; None is every one, also to come.

    So what a key makes reaches no further than the key.
    """
    if names is not None:
        return sorted({(await named(call, each, fresh=True)).id for each in names})
    if not call.key.covers(None):
        raise Problem("connection_forbidden", "Name the connections: this key is for some only.")
    return None
