"""Resolves the connections that an API request names, and rejects those that the request's API key may not use."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from actors.state.documents import StoreAway
from gateway.http.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.state.connections import Connection
    from gateway.http.endpoint import ApiRequest


async def resolve(call: ApiRequest[Any, Any], named: str, *, fresh: bool = False) -> Connection:
    """The connection with this name or id. Problems `unknown_connection` and `connection_forbidden`.

    `fresh` reads the store first, because the name may have changed hands; without the store the
    cache answers. A key for some connections gets `connection_forbidden` for all others, whether they
    exist or not.
    """
    key, cache = call.key, call.backends.connections
    if not key.may_name(named):
        raise Problem("connection_forbidden")
    if fresh:
        with suppress(StoreAway):
            await cache.renewed(named)
    found = await cache.find(named)
    if found is not None and not key.reaches(found.id):
        # The cache may hold the former connection of this name: another gateway may have just created
        # this one.
        with suppress(StoreAway):
            found = await cache.renewed(named)
    if key.connections is not None and (found is None or not key.reaches(found.id)):
        raise Problem("connection_forbidden")
    if found is None:
        raise Problem("unknown_connection")
    return found


async def resolve_path(call: ApiRequest[Any, Any], *, fresh: bool = False) -> Connection:
    """The connection that the path names. Problems as in `resolve`."""
    return await resolve(call, call.path["connection"], fresh=fresh)


async def resolve_all(call: ApiRequest[Any, Any], named: Sequence[str] | None) -> list[str] | None:
    """The ids of these connections; None, for all present and future ones, stays None.

    Problem `connection_forbidden` if that is more than the key covers.
    """
    if named is not None:
        return sorted({(await resolve(call, each, fresh=True)).id for each in named})
    if not call.key.covers(None):
        raise Problem("connection_forbidden", "Name the connections; this key is for some of them.")
    return None
