"""Scopes of API keys: the operations that each may call."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from actors.state.documents import API_KEYS
from actors.state.open_store import open_documents
from gateway.app import OPERATIONS
from gateway.http.api_keys import create
from tests.integration.gateway.served import KEY, OTHER, SHOP
from tests.unlimited import UNLIMITED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.http.api_keys import Scope
    from tests.integration.gateway.served import Api, Gateway

GUARDED = [operation for operation in OPERATIONS if operation.scope is not None]


def made(
    gateway: Gateway, scopes: Sequence[Scope], connections: Sequence[str] | None = None
) -> Api:
    async def make() -> str:
        documents = open_documents(gateway.settings)
        try:
            ids = connections and [SHOP.replace("shop", name) for name in connections]
            _, token = await create(
                documents, name="test", scopes=scopes, connections=ids, quota=UNLIMITED
            )
        finally:
            await documents.close()
        return token

    token = asyncio.run(make())
    with gateway.client(token) as asking:
        gateway.until(lambda: asking.get("/health").status_code == 200, 5)
    return gateway.client(token)


def concrete(path: str) -> str:
    return path.replace("{connection}", "shop").replace("{id}", f"{SHOP}.3EB0" + "0" * 18)


@pytest.mark.parametrize(
    "shown",
    [
        [("X-Api-Key", KEY), ("X-Api-Key", "tmo_" + "x" * 43)],
        [("X-Api-Key", "tmo_" + "x" * 43), ("X-Api-Key", KEY)],
        [("X-Api-Key", KEY), ("X-Api-Key", KEY)],
        [("X-Api-Key", KEY), ("X-Api-Key", "")],
        [("X-Api-Key", KEY), ("Authorization", "Bearer tmo_other")],
        [("X-Api-Key", "tmo_other"), ("Authorization", f"Bearer {KEY}")],
        [("Authorization", f"Bearer {KEY}"), ("Authorization", "Bearer tmo_other")],
        [("Authorization", "Basic x"), ("Authorization", f"Bearer {KEY}")],
    ],
    ids=range(8),
)
def test_of_several_keys_none_counts(gateway: Gateway, shown: list[tuple[str, str]]) -> None:
    with gateway.client(None) as client:
        for path in ("/api/queue", "/health"):
            answer = client.get(path, headers=shown)
            assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
            assert "several API keys" in answer.json()["detail"]


def test_one_key_in_both_headers_is_one(gateway: Gateway) -> None:
    with gateway.client(None) as client:
        for scheme in (f"Bearer {KEY}", "Basic dXNlcjpwYXNz"):
            shown = {"X-Api-Key": KEY, "Authorization": scheme}
            assert client.get("/api/queue", headers=shown).status_code == 200


def test_nothing_without_a_key(gateway: Gateway) -> None:
    """In any form; `test_matrix` asks each operation with keys that are none."""
    asked = (("GET", "/api/queue"), ("POST", "/api/messages"), ("GET", "/metrics"))
    for headers in (
        {},
        {"X-Api-Key": ""},
        {"X-Api-Key": "tmo_" + "x" * 43},
        {"X-Api-Key": KEY[:-1]},
        {"Authorization": "Bearer"},
        {"Authorization": f"Basic {KEY}"},
        {"Authorization": "Bearer tmo_nobody"},
    ):
        for number, (method, path) in enumerate(asked, 1):
            with gateway.client(None, address=f"127.0.1.{number}") as client:
                answer = client.request(method, path, headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
            assert answer.headers["www-authenticate"].startswith("Bearer")


def test_a_key_in_the_url_opens_nothing(gateway: Gateway) -> None:
    with gateway.client(None) as client:
        for name in ("api_key", "key", "X-Api-Key", "token"):
            assert client.get(f"/api/connections?{name}={KEY}").status_code == 401


def test_both_headers_open(gateway: Gateway) -> None:
    with gateway.client(None) as client:
        for headers in ({"X-Api-Key": KEY}, {"Authorization": f"bearer {KEY}"}):
            assert client.get("/api/connections", headers=headers).status_code == 200


@pytest.mark.parametrize("scope", ["send", "read", "metrics"])
def test_a_scope_opens_only_its_own(gateway: Gateway, scope: Scope) -> None:
    with made(gateway, [scope]) as client:
        for operation in GUARDED:
            own = operation.scope == scope
            # The stream that it opens has no end; its head has.
            method = "HEAD" if own and operation.id == "readEvents" else operation.method
            answer = client.request(method, concrete(operation.path))
            if own:
                assert answer.status_code not in {401, 403}, operation.id
            else:
                assert answer.status_code == 403, operation.id
                assert answer.json()["code"] == "missing_scope"


def test_a_key_for_one_connection(gateway: Gateway, api: Api) -> None:
    gateway.connect(OTHER)
    body = {"to": "15550100002", "text": "hi"}
    with made(gateway, ["admin"], ["shop"]) as client:
        assert client.get("/api/connections/shop").status_code == 200
        listed = client.get("/api/connections").json()["items"]
        assert [each["id"] for each in listed] == ["shop"]
        shown = client.get("/api/queue").json()["items"]
        assert [each["connection"] for each in shown] == ["shop"]
        full = client.get("/health").json()["items"]
        assert [each["id"] for each in full] == ["shop"]
        sent = client.post("/api/messages", json={"connection": "shop", **body})
        assert sent.status_code == 202
        recovered = client.post("/api/connections/recover").json()["items"]
        assert recovered == ["shop"]
        assert client.get("/api/messages", params={"connection": "shop"}).status_code == 200
        for answer in (
            client.get("/api/connections/other"),
            client.get("/api/connections/nobody"),  # the answer does not show which exist
            client.get("/api/connections/other/qr"),
            client.post("/api/connections/other/stop"),
            client.delete("/api/connections/other"),
            client.post("/api/connections", json={"id": "third"}),
            client.post("/api/connections/recover", json={"connection": "other"}),
            client.post("/api/messages", json={"connection": "other", **body}),
            client.get("/api/messages/other.3EB0" + "0" * 18),
            client.delete("/api/messages/other.3EB0" + "0" * 18),
            client.get("/api/messages"),
            client.get("/api/messages", params={"connection": "other"}),
            client.get("/api/queue/dead", params={"connection": "other"}),
            client.post("/api/queue/dead/other.3EB0" + "0" * 18 + "/retry"),
            client.post("/api/queue/retry-failed", json={"connection": "other"}),
            client.post("/api/queue/redrive", json={"connection": "other"}),
            client.get("/api/messages/other.3EB0" + "0" * 18 + "/media"),
            client.get("/api/events", params={"connection": "other"}),
            client.get("/api/connections/other/groups"),
            client.get("/api/connections/other/presence/15550100002"),
            client.post("/api/connections/other/subscriptions", json={"chat": "15550100002"}),
            client.post("/api/webhooks", json={"url": "https://example.com"}),
            client.get("/metrics"),  # it names them all
        ):
            assert (answer.status_code, answer.json()["code"]) == (403, "connection_forbidden")


def test_a_revoked_key_is_out_within_seconds(gateway: Gateway) -> None:
    async def revoke(hashes: set[str]) -> None:
        documents = open_documents(gateway.settings)
        try:
            for key in (await documents.query(API_KEYS)).items:
                if key["hash"] not in hashes and key["name"] == "test":
                    await documents.delete(API_KEYS, key["id"])
        finally:
            await documents.close()

    with made(gateway, ["read"]) as client:
        assert client.get("/api/connections").status_code == 200
        asyncio.run(revoke(set()))
        gateway.until(lambda: client.get("/api/connections").status_code == 401, 10)
