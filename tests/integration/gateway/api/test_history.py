"""Alerts and recovery actions as a caller reads them, the newest first."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from actors.health.alerts import Alert
from actors.state.connections import ConnectionExists
from actors.state.recovery_actions import noting, recovery_action
from tests.integration.gateway.api.keys.test_access import made
from tests.integration.gateway.cli.test_command import start
from tests.integration.gateway.served import SHOP

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from actors.state.documents import Documents, Write
    from tests.integration.gateway.served import Api, Gateway

BARN = "barn--T00000000000"
BEGAN = 4102444800.0
"""2100-01-01: after the connections of the test were created."""

SENTENCE = "The device was unlinked; scan the QR to link it again."


def recovery(at: float, connection: str | None = None) -> Write:
    role = "queue" if connection is None else "connection"
    action = recovery_action(
        role=role,
        connection=connection,
        cause="crashed",
        action="restarted",
        at=at,
        before="open",
        after="connecting",
        epoch_before=3,
        epoch_after=4,
        seconds=0.25,
    )
    return noting(action)


@pytest_asyncio.fixture(autouse=True)
async def _happened(documents: Documents, gateway: Gateway) -> AsyncIterator[None]:
    with suppress(ConnectionExists):
        gateway.connect(BARN)
    alerts = [
        Alert("connection_failed", SHOP, "critical", SENTENCE, 1000.0, 1060.0),
        Alert("redis_away", None, "critical", "Redis does not answer.", BEGAN + 1000, BEGAN + 1060),
        Alert("connection_failed", SHOP, "critical", SENTENCE, BEGAN + 2000),
        Alert("connection_stale", BARN, "warning", "Silent.", BEGAN + 3000, BEGAN + 3010),
    ]
    writes = [alert.write for alert in alerts]
    writes += [
        recovery(1000.0, SHOP),
        recovery(BEGAN + 1000),
        recovery(BEGAN + 2000, SHOP),
        recovery(BEGAN + 3000, BARN),
    ]
    await documents.batch(writes)
    yield


def names(answer: Any) -> list[str]:
    return [item["name"] for item in answer.json()["items"]]


def test_alerts_have_all_that_is_known(api: Api) -> None:
    found = api.get("/api/alerts", params={"active": "true"})
    assert found.status_code == 200
    assert found.json() == {
        "items": [
            {
                "id": f"connection_failed.{SHOP}.4102446800000",
                "name": "connection_failed",
                "connection": "shop",
                "incarnation": SHOP,
                "severity": "critical",
                "reason": SENTENCE,
                "active": True,
                "raised_at": "2100-01-01T00:33:20.000Z",
                "cleared_at": None,
                "told_at": "2100-01-01T00:33:20.000Z",
                "repeats": 0,
            }
        ],
        "next": None,
    }


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, ["connection_stale", "connection_failed", "redis_away", "connection_failed"]),
        ({"active": "false"}, ["connection_stale", "redis_away", "connection_failed"]),
        ({"connection": "shop"}, ["connection_failed"]),
        ({"connection": "barn", "active": "false"}, ["connection_stale"]),
        ({"connection": "barn", "active": "true"}, []),
    ],
)
def test_alerts_by_connection_and_whether_they_are_over(
    api: Api, asked: dict[str, str], expected: list[str]
) -> None:
    assert names(api.get("/api/alerts", params=asked)) == expected


def test_recoveries_have_all_that_is_known(api: Api) -> None:
    (found,) = api.get("/api/recoveries", params={"connection": "shop"}).json()["items"]
    assert found == {
        "id": f"connection.{SHOP}.4102446800000.restarted",
        "role": "connection",
        "connection": "shop",
        "incarnation": SHOP,
        "cause": "crashed",
        "action": "restarted",
        "before": "open",
        "after": "connecting",
        "epoch_before": 3,
        "epoch_after": 4,
        "seconds": 0.25,
        "at": "2100-01-01T00:33:20.000Z",
    }


@pytest.mark.parametrize("path", ["/api/alerts", "/api/recoveries"])
def test_an_id_tells_nothing_of_who_had_it_before(api: Api, path: str) -> None:
    assert len(api.get(path).json()["items"]) == 4
    (found,) = api.get(path, params={"connection": "shop"}).json()["items"]
    assert "4102446800000" in found["id"]


@pytest.mark.parametrize("path", ["/api/alerts", "/api/recoveries"])
def test_pages_follow_one_another_and_a_cursor_belongs_to_its_list(api: Api, path: str) -> None:
    whole = api.get(path).json()["items"]
    assert len(whole) == 4
    seen, after = [], None
    while True:
        page = api.get(path, params={"limit": 1, **({"after": after} if after else {})}).json()
        seen += page["items"]
        if page["next"] is None:
            break
        after = page["next"]
    assert seen == whole
    other = api.get(path, params={"after": after, "connection": "shop"})
    assert (other.status_code, other.json()["code"]) == (400, "invalid_cursor")


@pytest.mark.parametrize("path", ["/api/alerts", "/api/recoveries"])
def test_a_key_for_one_connection_sees_its_own(gateway: Gateway, path: str) -> None:
    with made(gateway, ["read"], ["shop"]) as client:
        for asked in ({}, {"connection": "barn"}):
            refused = client.get(path, params=asked)
            assert (refused.status_code, refused.json()["code"]) == (403, "connection_forbidden")
        (found,) = client.get(path, params={"connection": "shop"}).json()["items"]
        assert found["connection"] == "shop"
        assert client.get(path, params={"connection": "nobody"}).status_code == 403


@pytest.mark.parametrize("path", ["/api/alerts", "/api/recoveries"])
def test_a_connection_that_there_is_not(api: Api, path: str) -> None:
    refused = api.get(path, params={"connection": "nobody"})
    assert (refused.status_code, refused.json()["code"]) == (404, "unknown_connection")


@pytest.mark.parametrize("value", ["1", "yes", "True", "on"])
def test_active_is_one_of_two_words(api: Api, value: str) -> None:
    refused = api.get("/api/alerts", params={"active": value})
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_parameter")


def test_the_commands_list_them(gateway: Gateway, api: Api) -> None:
    def said(*words: str) -> str:
        with start(gateway.data, *words) as process:
            output, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
        return output

    page = api.get("/api/alerts", params={"limit": 2}).json()
    assert json.loads(said("alerts", "--limit", "2", "--json")) == page
    shown = said("alerts", "--active")
    assert SENTENCE in shown
    assert "redis_away" not in shown
    assert f"There is more: --after {page['next']}" in said("alerts", "--limit", "2")
    shown = said("recoveries", "--connection", "barn")
    assert "crashed" in shown
    assert "0.25" in shown
    assert "shop" not in shown
    assert said("alerts", "--connection", "barn", "--active") == "There is no alert.\n"
