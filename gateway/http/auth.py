"""Extracts a request's API key, and rejects requests without a valid key or without the required scope."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.state.documents import StoreAway
from gateway.http.header_fields import every
from gateway.http.problems import Problem

if TYPE_CHECKING:
    from starlette.requests import Request

    from gateway.http.api_keys import ApiKey, ApiKeyCache, Scope
    from gateway.http.header_fields import Fields

_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="teimoso"'}


def presented(fields: Fields) -> str | None:
    """The key in `X-Api-Key` or `Authorization: Bearer`; never one in the URL.

    Problem `unauthorized` where there are several: a proxy that added the second one must not decide
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


async def authenticate(ring: ApiKeyCache, request: Request) -> ApiKey:
    """The caller's key. Problems: `unauthorized`, `store_away`, `rate_limited` for an address of many wrong keys."""
    token = presented(request.scope["headers"])
    if token is None:
        raise Problem(
            "unauthorized",
            "Send the API key in X-Api-Key, or as Authorization: Bearer.",
            headers=_CHALLENGE,
        )
    try:
        key = await ring.find(token, address_of(request))
    except StoreAway:
        raise Problem("store_away", "The API key cannot be checked now.") from None
    if key is None:
        raise Problem(
            "unauthorized",
            "There is no such API key, or the connections that it was for are deleted.",
            headers=_CHALLENGE,
        )
    return key


def address_of(request: Request) -> str:
    """The client's address, empty where it has none (a socket file)."""
    return request.client.host if request.client else ""


def require(key: ApiKey, scope: Scope) -> None:
    """Problem `missing_scope` unless the key has the scope."""
    if not key.may(scope):
        raise Problem("missing_scope", f"This needs an API key with the scope {scope}.")
