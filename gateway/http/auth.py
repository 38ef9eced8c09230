"""Who is asking, and may they."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from actors.state.documents import StoreAway
from gateway.http.header_fields import every
from gateway.http.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.state.connections import Connection
    from gateway.connection_cache import KnownConnections
    from gateway.http.api_keys import Key, KeyRing, Scope
    from gateway.http.header_fields import Fields

_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="teimoso"'}


def presented(fields: Fields) -> str | None:
    """The key in `X-Api-Key` or `Authorization: Bearer`; never one in the URL.

    Problem `unauthorized` where there are several: whoever added the second one must not decide
    whose rights count. The same key in both headers is one key.
    """
    own, standard = every(fields, b"x-api-key"), every(fields, b"authorization")
    if len(own) == 1 and not standard:
        return own[0] or None
    tokens = {token for token in own if token} | {_bearer(value) for value in standard} - {None}
    if len(own) > 1 or len(standard) > 1 or len(tokens) > 1:
        raise Problem(
            "unauthorized",
            "The request shows several API keys; send one, in one header.",
            headers=_CHALLENGE,
        )
    return next(iter(tokens), None)


def _bearer(value: str) -> str | None:
    scheme, _, token = value.partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


async def authenticate(ring: KeyRing, fields: Fields) -> Key:
    """The caller's key. Problems: `unauthorized`, `store_away`."""
    token = presented(fields)
    if token is None:
        raise Problem(
            "unauthorized",
            "Send the API key in X-Api-Key, or as Authorization: Bearer.",
            headers=_CHALLENGE,
        )
    try:
        key = await ring.find(token)
    except StoreAway:
        raise Problem("store_away", "The API key cannot be checked now.") from None
    if key is None:
        raise Problem(
            "unauthorized",
            "There is no such API key, or the connections that it was for are deleted.",
            headers=_CHALLENGE,
        )
    return key


def require(key: Key, scope: Scope) -> None:
    """Problem `missing_scope` unless the key has the scope."""
    if not key.may(scope):
        raise Problem("missing_scope", f"This needs an API key with the scope {scope}.")


async def reached(
    known: KnownConnections, key: Key, named: str, *, fresh: bool = False
) -> Connection:
    """The connection of that name or id. Problems `connection_forbidden` and `unknown_connection`.

    With `fresh` as the store has it now, where it answers: another may have the name since a moment
    ago. A key for some connections cannot tell those that are not its own from those that do not
    exist.
    """
    if not key.may_name(named):
        raise Problem("connection_forbidden")
    if fresh:
        with suppress(StoreAway):
            await known.renewed(named)
    found = await known.find(named)
    if found is not None and not key.reaches(found.id):
        # The cache may hold the former connection of this name: another gateway may have just created
        # this one.
        with suppress(StoreAway):
            found = await known.renewed(named)
    if key.connections is not None and (found is None or not key.reaches(found.id)):
        raise Problem("connection_forbidden")
    if found is None:
        raise Problem("unknown_connection")
    return found


async def all_reached(
    known: KnownConnections, key: Key, named: Sequence[str] | None
) -> list[str] | None:
    """The ids of the connections that are named, as `reached`; None names every one, also to come.

    So what a key makes reaches no further than the key.
    """
    if named is not None:
        return sorted({(await reached(known, key, each, fresh=True)).id for each in named})
    if not key.covers(None):
        raise Problem("connection_forbidden", "Name the connections: this key is for some only.")
    return None
