"""API keys that are made and taken back over the API, and webhooks that a command switches."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from gateway.http.api_keys import SCOPES
from tests.integration.gateway.cli.test_command import start

if TYPE_CHECKING:
    from tests.integration.gateway.served import Api, Gateway


def issued(api: Api, **wanted: Any) -> dict[str, Any]:
    answer = api.post("/api/keys", json={"name": "issued", **wanted})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


@pytest.mark.parametrize("scope", SCOPES)
def test_a_key_works_at_once_for_its_scope_until_it_is_revoked(
    gateway: Gateway, api: Api, scope: str
) -> None:
    made = issued(api, scopes=[scope])
    paths = {"read": "/api/queue", "metrics": "/metrics", "admin": "/api/keys"}
    with gateway.client(made["key"]) as client:
        for needs, path in paths.items():
            allowed = scope in (needs, "admin")
            assert client.get(path).status_code == (200 if allowed else 403), (scope, path)
        sent = {"connection": "shop", "to": "15550100002", "text": "hi"}
        allowed = scope in ("send", "admin")
        assert client.post("/api/messages", json=sent).status_code == (202 if allowed else 403)
        assert api.delete(f"/api/keys/{made['id']}").status_code == 204
        assert client.get("/api/queue").status_code == 401
    again = api.delete(f"/api/keys/{made['id']}")
    assert (again.status_code, again.json()["code"]) == (404, "unknown_key")


def test_the_list_shows_what_a_key_may_and_not_what_it_is(api: Api) -> None:
    made = issued(api, scopes=["send", "read", "send"], connections=["shop", "shop"])
    listed = api.get("/api/keys")
    [shown] = [each for each in listed.json()["items"] if each["id"] == made["id"]]
    assert shown == {name: made[name] for name in made if name != "key"}
    assert (shown["scopes"], shown["connections"]) == (["send", "read"], ["shop"])
    assert made["key"] not in listed.text
    assert "hash" not in listed.text
    api.delete(f"/api/keys/{made['id']}")


def test_no_key_reaches_further_than_the_one_that_made_it(gateway: Gateway, api: Api) -> None:
    maker = issued(api, scopes=["admin"], connections=["shop"])
    general = issued(api, scopes=["read"])
    with gateway.client(maker["key"]) as client:
        for wanted in ({}, {"connections": ["other"]}, {"connections": ["shop", "other"]}):
            answer = client.post("/api/keys", json={"name": "x", "scopes": ["admin"], **wanted})
            assert (answer.status_code, answer.json()["code"]) == (403, "connection_forbidden")
        own = issued(client, scopes=["send"], connections=["shop"])
        seen = {each["id"] for each in client.get("/api/keys").json()["items"]}
        assert {own["id"], maker["id"]} <= seen
        assert general["id"] not in seen
        assert client.delete(f"/api/keys/{general['id']}").status_code == 404
        assert client.delete(f"/api/keys/{own['id']}").status_code == 204
    with gateway.client(general["key"]) as client:
        assert client.get("/api/queue").status_code == 200, "it was not taken back"
    for each in (maker, general):
        api.delete(f"/api/keys/{each['id']}")


def test_a_command_pauses_a_webhook_and_renews_its_secret(gateway: Gateway, api: Api) -> None:
    made = api.post("/api/webhooks", json={"url": "https://example.com/hook"}).json()
    where = f"/api/webhooks/{made['id']}"

    def run(verb: str) -> dict[str, Any]:
        with start(gateway.data, "webhooks", verb, made["id"], "--json") as process:
            output, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
        answer: dict[str, Any] = json.loads(output)
        return answer

    try:
        assert run("pause")["disabled_because"] == "paused"
        assert not api.get(where).json()["enabled"]
        assert run("resume")["enabled"]
        assert api.get(where).json()["enabled"]
        assert run("rotate-secret")["secret"] not in (made["secret"], "")
    finally:
        api.delete(where)
