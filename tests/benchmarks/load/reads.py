"""Paths of the API's reads and the console's pages, by what they give; those of a connection are of `shop`."""

from __future__ import annotations

import re
from itertools import chain
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlsplit

from gateway.console.routes import ROOMS
from tests.api_document import DOCUMENT
from tests.benchmarks.load.backlog import WORDS, person

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import httpx

_CONVERSATIONS: Final = "/console/conversations/shop"
_TEXTS: Final = f"/api/chats?connection=shop&search={quote(WORDS)}"

STORED: Final[Mapping[str, str]] = {
    "messages": "/api/messages?connection=shop",
    "messages, 500": "/api/messages?connection=shop&limit=500",
    "messages, a later page": "/api/messages?connection=shop&order=oldest&after={messages}",
    "messages of a chat": f"/api/messages?connection=shop&chat={person(7)}",
    "messages that were sent": "/api/messages?connection=shop&direction=out",
    "one message": "/api/messages/{message}",
    "chats": "/api/chats?connection=shop",
    "chats, 200": "/api/chats?connection=shop&limit=200",
    "chats, a later page": "/api/chats?connection=shop&after={chats}",
    "chats searched": "/api/chats?connection=shop&search=customer%20499",
    "chats searched by text": _TEXTS,
    "chats searched by text, a later page": f"{_TEXTS}&after={{found}}",
    "chats searched in vain": "/api/chats?connection=shop&search=nothing",
    "contacts": "/api/contacts?connection=shop",
    "contacts searched in vain": "/api/contacts?connection=shop&search=nothing",
    "the address book": "/api/connections/shop/contacts",
    "chats with settings": "/api/connections/shop/chats",
    "settings of a chat": f"/api/connections/shop/chats/{person(7)}",
    "labels": "/api/connections/shop/labels",
    "connections": "/api/connections",
    "one connection": "/api/connections/shop",
    "webhooks": "/api/webhooks",
    "one webhook": "/api/webhooks/{webhook}",
    "deliveries": "/api/webhooks/{webhook}/deliveries",
    "deliveries that are dead": "/api/webhooks/{webhook}/deliveries?status=dead",
    "deliveries that got through": "/api/webhooks/{webhook}/deliveries?status=delivered",
    "alerts": "/api/alerts",
    "recoveries": "/api/recoveries",
    "API keys": "/api/keys",
    "health": "/health",
}
"""Reads that the state store answers; also pages in the middle of a list."""

OWNED: Final[Mapping[str, str]] = {
    "queue": "/api/queue",
    "dead letters": "/api/queue/dead",
    "dead letters, 500": "/api/queue/dead?limit=500",
    "refused documents": "/api/connections/shop/refused-documents",
    "load": "/api/system/metrics",
    "a file": "/api/messages/{file}/media",
    "a picture": "/api/chats/shop/{contact}/picture",
    "groups": "/api/connections/shop/groups",
    "one group": "/api/groups/{group}?connection=shop",
    "an invitation": "/api/groups/{group}/invite?connection=shop",
    "the group of an invitation": "/api/groups/invites/{invite}?connection=shop",
    "a number": "/api/connections/shop/numbers/{contact}",
    "presence": "/api/connections/shop/presence/{contact}",
    "trace": "/api/connections/shop/trace",
    "profile": "/api/connections/shop/profile",
    "blocked people": "/api/contacts/shop/blocked",
    "liveness": "/health/live",
    "readiness": "/health/ready",
    "metrics": "/metrics",
    "reference": "/docs",
    "OpenAPI document": "/openapi.json",
}
"""Reads that an open connection, Redis or the disk answers."""

PAGES: Final[Mapping[str, str]] = {
    "connections": "/",
    "one connection": "/console/connections/shop",
    "settings of a connection": "/console/connections/shop/settings",
    "conversations of the first connection": "/console/conversations",
    "conversations": _CONVERSATIONS,
    "conversations, a later page": f"{_CONVERSATIONS}?list={{chats}}",
    "conversations searched": f"{_CONVERSATIONS}?search=customer%20499",
    "conversations searched by text": f"{_CONVERSATIONS}?search={quote(WORDS)}",
    "conversations searched by text, a later page": f"{_CONVERSATIONS}?search={quote(WORDS)}&list={{found}}",
    "a conversation": f"{_CONVERSATIONS}/{person(7)}",
    "queue": "/console/queue",
    "recovery": "/console/recovery",
    "system": "/console/system",
    "API keys": "/console/api-keys",
    "webhooks": "/console/webhooks",
    "one webhook": "/console/webhooks/{webhook}",
    "settings": "/console/settings",
    "logs": "/console/logs",
}
"""Pages of the console that the state store answers."""

OWNED_PAGES: Final[Mapping[str, str]] = {
    "a picture": f"{_CONVERSATIONS}/{{contact}}/picture",
    "a file": "/console/media/{file}",
    "a script": "/console/static/console.js",
}
"""Parts of pages that an open connection or the disk answers."""

_TO_LINK: Final = "of a connection that is to be linked"
WITHOUT_FIGURE: Final[Mapping[str, str]] = {
    "/api/events": "a stream",
    "/api/connections/{connection}/qr": _TO_LINK,
    "/api/connections/{connection}/pairing-code": _TO_LINK,
    "/api/connections/{connection}/passkey": _TO_LINK,
    "/console/connections/{connection}/pairing-code": _TO_LINK,
    "/console/connections/{connection}/passkey": _TO_LINK,
    "/console/connections/{connection}/passkey/confirm": _TO_LINK,
    "/console/login": "leads to the first page",
    "/console/connections": "leads to the first page",
    "/console/webhooks/{webhook}/change": "leads to the webhook's page",
    "/console/webhooks/{webhook}/secret": "leads to the webhook's page",
    "/console/webhooks/{webhook}/test": "leads to the webhook's page",
}
"""Paths of GET without a figure, with the reason."""


def ids_of(client: httpx.Client) -> dict[str, str]:
    """The ids and cursors in paths of `STORED` and `PAGES`."""

    def read(path: str) -> Any:
        return client.get(path).raise_for_status().json()

    return {
        "message": read("/api/messages?connection=shop&limit=1")["items"][0]["id"],
        "messages": read("/api/messages?connection=shop&limit=500&order=oldest")["next"],
        "chats": read("/api/chats?connection=shop&limit=200")["next"],
        "found": read(_TEXTS)["next"],
        "webhook": read("/api/webhooks")["items"][0]["id"],
    }


def with_ids(paths: Mapping[str, str], ids: Mapping[str, str]) -> dict[str, str]:
    return {what: path.format(**ids) for what, path in paths.items()}


def without_figure() -> list[str]:
    """The paths of GET, of API and console, that no table here has."""
    tables = (STORED, OWNED, PAGES, OWNED_PAGES)
    asked = [urlsplit(path).path for table in tables for path in table.values()]
    rooms = chain.from_iterable(room.ROUTES.items() for room in ROOMS)
    return [
        *_missing((path for path, methods in DOCUMENT["paths"].items() if "get" in methods), asked),
        *_missing((path for path, methods in rooms if "GET" in methods), asked),
    ]


def _missing(templates: Iterable[str], asked: list[str]) -> list[str]:
    found = []
    for each in templates:
        pattern = re.compile(re.sub(r"\\\{[^}]*\\\}", "[^/]+", re.escape(each)))
        if each not in WITHOUT_FIGURE and not any(pattern.fullmatch(path) for path in asked):
            found.append(each)
    return found
