"""A key that asks too often is told so, whatever it asks for, and nobody else is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.app import OPERATIONS
from tests.integration.gateway.served import Gateway
from tests.integration.gateway.test_access import made
from tests.integration.gateway.test_matrix import ask

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.gateway.served import Api
    from tests.valkey import Valkey

QUOTA = 60  # a minute: one comes back each second


@pytest.fixture(scope="module")
def gateway(valkey: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with Gateway(tmp_path_factory.mktemp("limited"), valkey, rate_limit=QUOTA) as served:
        assert served.api.post("/api/connections", json={"id": "shop"}).status_code == 201
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
        assert first.headers["ratelimit"] == f'"key";r={QUOTA - 1};t=1'
        for operation in [each for each in OPERATIONS if each.scope is not None]:
            used_up(client)
            answer = ask(client, operation)
            assert (answer.status_code, answer.json()["code"]) == (429, "rate_limited")
            assert answer.headers["retry-after"] == "1"
            assert answer.headers["ratelimit"] == '"key";r=0;t=60'
        assert client.get("/health/live").status_code == 200
        with made(gateway, ["read"]) as another:
            assert another.get("/api/queue").status_code == 200
        gateway.until(lambda: client.get("/api/queue").status_code == 200, 10)


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
