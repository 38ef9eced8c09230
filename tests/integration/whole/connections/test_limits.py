"""Limits of an account through the API on a whole instance: what it shows, and that nothing is repeated."""

from __future__ import annotations

import json
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.integration.whole.shop import ACCOUNT, SHOP, alerted, alerts
from tests.waits import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.processes.instance import Instance

pytestmark = [pytest.mark.timeout(240), pytest.mark.usefixtures("is_open")]

STRANGER = "15550100071"
FAR = 4_000_000_000


@pytest.fixture
def unlimited(instance: Instance) -> Iterator[None]:
    """Takes the limits of the account away once the test is over."""
    yield
    changes(instance, limited_until=None, chat_cap=None)


def changes(instance: Instance, **properties: Any) -> None:
    answer = instance.simulator.post(f"/accounts/{ACCOUNT}", json=properties)
    assert answer.is_success, answer.text


@pytest.mark.usefixtures("unlimited")
def test_a_connection_shows_until_when_it_is_locked(instance: Instance) -> None:
    """It comes in a notification, before any message is refused, and is in health, metrics and events."""
    instance.api.head("/api/events").raise_for_status()  # events are written for readers
    changes(instance, limited_until=FAR)
    until("it shows the lock", lambda: ends(instance.connection(SHOP)["limited_until"]), 15)
    assert instance.connection(SHOP)["limit_reason"] == "time_lock"
    alert = alerted(instance, "reaches out too much", "connection_limited")
    assert alert["severity"] == "warning"
    assert left(instance) == pytest.approx(FAR - time.time(), abs=60)
    assert ends(event(instance)["limited_until"])
    changes(instance, limited_until=None)
    until("the lock is gone", lambda: instance.connection(SHOP)["limited_until"] is None, 15)
    until("no alert is left", lambda: not alerts(instance), 20)
    assert left(instance) == 0


def ends(shown: str | None) -> bool:
    return shown is not None and datetime.fromisoformat(shown).timestamp() == FAR


def left(instance: Instance) -> float:
    """Seconds by the series of the connection."""
    text = instance.api.get("/metrics").raise_for_status().text
    [value] = [
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "teimoso_connection_limited_seconds"
        and sample.labels["connection"] == SHOP
    ]
    return float(value)


def event(instance: Instance) -> dict[str, Any]:
    """The data of the event of a limit, once there is one."""
    end, headers = time.monotonic() + 20, {"Last-Event-ID": "0"}
    with instance.api.stream(
        "GET", "/api/events", params={"connection": SHOP}, headers=headers
    ) as stream:
        for line in stream.iter_lines():
            if line.startswith("data:"):
                told = json.loads(line.removeprefix("data:"))
                if told.get("type") == "connection.limited" and told["data"]["limited_until"]:
                    found: dict[str, Any] = told["data"]
                    return found
            assert time.monotonic() < end, "there is none"
    raise AssertionError("the stream ended")


@pytest.mark.usefixtures("unlimited")
def test_a_message_that_a_lock_would_refuse_waits_for_its_end(instance: Instance) -> None:
    """No attempt is made of it, and it leaves once the account is not locked any more."""
    changes(instance, limited_until=FAR)
    until("the API shows it", lambda: instance.connection(SHOP)["limited_until"] is not None, 15)
    sent = instance.api.post(
        "/api/messages", json={"connection": SHOP, "to": STRANGER, "text": "a new chat"}
    ).raise_for_status()
    identity = sent.json()["id"]
    until("it waits", lambda: instance.message(identity)["error"] == "reach_out_limited", 10)
    assert instance.message(identity)["attempts"] == 0
    changes(instance, limited_until=None)
    until("it is sent", lambda: instance.message(identity)["status"] in {"sent", "delivered"}, 15)
    assert instance.simulator.get(f"/accounts/{ACCOUNT}").json()["refused"] == {}
