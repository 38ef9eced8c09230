"""Serves API routes that create, list and revoke API keys; `http/api_keys.py` stores the keys."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from starlette.responses import Response

from actors.state.connections import ConnectionNotFound
from actors.state.documents import API_KEYS
from gateway.connection_access import resolve_all
from gateway.http import api_keys
from gateway.http.endpoint import ApiRequest, Gives, Operation, written
from gateway.http.problems import Problem
from gateway.http.response_base import rfc3339
from gateway.schemas import api_keys as answers
from gateway.schemas import presenters
from gateway.schemas.request_models import KEY_PATTERN, NewKey

if TYPE_CHECKING:
    from typing import Any

    from actors.state.documents import Document

_ID = re.compile(KEY_PATTERN)


async def _create(call: ApiRequest[NewKey, None]) -> Response:
    """No key makes one that reaches further than itself."""
    wanted, backends = call.body, call.backends
    connections = await resolve_all(call, wanted.connections)
    try:
        identifier, token = await api_keys.create(
            backends.documents,
            name=wanted.name,
            scopes=[scope for scope in api_keys.SCOPES if scope in wanted.scopes],
            connections=connections,
            quota=backends.settings.key_quota,
        )
    except ConnectionNotFound:
        raise Problem("unknown_connection") from None
    made = await backends.documents.get(API_KEYS, identifier)
    await backends.ring.renew()
    assert made is not None
    return written(answers.AddedKey(**_shown(made), key=token), 201)


async def _list_all(call: ApiRequest[None, None]) -> Response:
    """A key for some connections lists those keys alone that reach no further."""
    found = (await call.backends.documents.query(API_KEYS)).items
    items = [
        answers.ApiKey(**_shown(each)) for each in found if call.key.covers(each["connections"])
    ]
    return written(answers.ApiKeys(items=items))


async def _revoke(call: ApiRequest[None, None]) -> Response:
    named, documents = call.path["key"], call.backends.documents
    stored = await documents.get(API_KEYS, named) if _ID.fullmatch(named) else None
    if stored is None or not call.key.covers(stored["connections"]):
        raise Problem("unknown_key")
    await api_keys.revoke(documents, named)
    await call.backends.ring.renew()
    return Response(status_code=204)


def _shown(document: Document) -> dict[str, Any]:
    return {
        "id": document["id"],
        "name": document["name"],
        "scopes": document["scopes"],
        "connections": presenters.limited(document["connections"], document.get("ended", ())),
        "created_at": rfc3339(document["created_at"]),
        "ended_at": rfc3339(document.get("ended_at")),
    }


_TAG = "keys"
OPERATIONS = (
    Operation(
        "POST",
        "/api/keys",
        "createKey",
        "Make an API key",
        _TAG,
        _create,
        {201: Gives("Made. The key is shown this once.", answers.AddedKey)},
        "admin",
        body=NewKey,
        refuses=("unknown_connection", "quota_reached", "store_away"),
    ),
    Operation(
        "GET",
        "/api/keys",
        "listKeys",
        "All API keys, without what they are",
        _TAG,
        _list_all,
        {200: Gives("The keys.", answers.ApiKeys)},
        "admin",
        refuses=("store_away",),
    ),
    Operation(
        "DELETE",
        "/api/keys/{key}",
        "revokeKey",
        "Take an API key back; other gateway processes refuse it within seconds",
        _TAG,
        _revoke,
        {204: Gives("Revoked.")},
        "admin",
        refuses=("unknown_key", "store_away"),
    ),
)
