"""A key that calls too often gets 429 from each operation, and no other key does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.app import OPERATIONS
from tests.integration.gateway.api.keys.test_access import made
from tests.integration.gateway.api.test_matrix import ask
from tests.integration.gateway.person import Person
from tests.integration.gateway.served import KEY, Gateway

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.gateway.served import Api
    from tests.processes.valkey import Valkey

QUOTA = 6  # a minute: more than a round of questions takes passes before one comes back
EACH = 60 // QUOTA


@pytest.fixture(scope="module")
def gateway(valkey: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with Gateway(tmp_path_factory.mktemp("limited"), valkey, rate_limit=QUOTA) as served:
        served.connect()
        yield served


def used_up(client: Api) -> None:
    for _ in range(2 * QUOTA):
        if client.get("/api/queue").status_code == 429:
            return
    raise AssertionError("never refused")


def test_every_operation_refuses_a_key_that_used_its_quota(gateway: Gateway) -> None:
    with made(gateway, ["admin"]) as client:
        first = client.get("/api/queue")
        assert first.headers["ratelimit-policy"] == f'"key";q={QUOTA};w=60'
        assert first.headers["ratelimit"] == f'"key";r={QUOTA - 1};t={EACH}'
        for operation in [each for each in OPERATIONS if each.scope is not None]:
            used_up(client)
            answer = ask(client, operation)
            assert (answer.status_code, answer.json()["code"]) == (429, "rate_limited")
            assert 1 <= int(answer.headers["retry-after"]) <= EACH
            left, _, full = answer.headers["ratelimit"].rpartition("=")
            assert (left, 60 - EACH < int(full) <= 60) == ('"key";r=0;t', True)
        assert client.get("/health/live").status_code == 200
        with made(gateway, ["read"]) as another:
            assert another.get("/api/queue").status_code == 200
        gateway.until(lambda: client.get("/api/queue").status_code == 200, 3 * EACH)


def test_a_send_that_is_refused_is_not_accepted(gateway: Gateway) -> None:
    body = {"connection": "shop", "to": "15550100002", "text": "hi"}
    with made(gateway, ["read", "send"]) as client:
        assert client.post("/api/messages", json=body).status_code == 202
        before = gateway.api.get("/api/queue").json()["waiting"]
        used_up(client)
        assert client.post("/api/messages", json=body).status_code == 429
    assert gateway.api.get("/api/queue").json()["waiting"] == before == 1


def test_a_limit_is_not_for_who_has_no_key(gateway: Gateway) -> None:
    with gateway.client(None) as nobody:
        for _ in range(QUOTA + 10):
            answer = nobody.get("/health")
            assert answer.status_code == 200
            assert "ratelimit" not in answer.headers


def test_the_console_asks_within_the_quota_of_its_key(gateway: Gateway) -> None:
    made = gateway.api.post("/api/keys", json={"name": "person", "scopes": ["read"]}).json()
    with Person(gateway, made["key"]) as person:
        answers = [person.part("/console/conversations/shop") for _ in range(QUOTA + 1)]
        with person.follow("/console/conversations/shop") as events:
            name, html = next(events)
    refused = next(one for one in answers if one.status_code == 429)
    assert int(refused.headers["Retry-After"]) > 0
    assert "asked" in refused.text
    assert (name, "asked" in html) == ("failed", True), "the page stays, and says it"


def test_wrong_keys_at_the_login_are_slowed_down(gateway: Gateway) -> None:
    with Person(gateway, None) as nobody:
        wrong = [nobody.post("/console/login", data={"key": "x" * 20}) for _ in range(25)]
        right = nobody.post("/console/login", data={"key": KEY})
    statuses = [one.status_code for one in wrong]
    assert statuses[0] == 401
    assert statuses[-1] == 429
    assert "Too many wrong keys" in wrong[-1].text
    assert int(wrong[-1].headers["Retry-After"]) > 0
    assert right.status_code == 429, "who guesses hears nothing meanwhile"


def test_an_address_has_so_many_wrong_keys_looked_up(gateway: Gateway) -> None:
    """Keys that the gateway knows are not held to it, nor is another address."""
    with gateway.client(None, address="127.0.3.1") as nobody:
        wrong = [
            nobody.get("/api/queue", headers={"X-Api-Key": f"tmo_wrong{number}"})
            for number in range(25)
        ]
        shown = nobody.get("/api/queue", headers={"X-Api-Key": KEY})
    assert wrong[0].status_code == 401
    last = wrong[-1]
    assert (last.status_code, last.json()["code"]) == (429, "rate_limited")
    assert int(last.headers["Retry-After"]) > 0
    assert shown.status_code == 200
    with gateway.client("tmo_wrong25", address="127.0.3.2") as other:
        assert other.get("/health").status_code == 401
