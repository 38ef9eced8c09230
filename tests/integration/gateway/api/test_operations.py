"""Health, readiness, metrics, pages."""

from __future__ import annotations

import os
import time
from importlib.metadata import version
from typing import TYPE_CHECKING

import httpx
from prometheus_client.parser import text_string_to_metric_families

from actors.health import resource_history
from actors.health.resource_history import Point
from actors.health.resources import Usage
from actors.redis.leases.leases import Owner
from actors.runtime import host_identity
from actors.state.documents import HEALTH_STATUS, LATEST
from supervision.reports import metrics_file
from supervision.reports.metrics_file import MetricsTotals
from tests.api_document import DOCUMENT
from tests.integration.gateway.served import SHOP
from tests.plain_http import NO_AUTHORITIES
from tests.run import leaks

if TYPE_CHECKING:
    from actors.metrics.counters import Sample
    from actors.redis.leases.leases import Leases
    from actors.state.documents import Documents
    from tests.integration.gateway.served import Api, Gateway

OWNER = Owner("connection:test", os.getpid(), host_identity.here())


def test_health_without_a_key_has_the_short_form_and_nothing_more(gateway: Gateway) -> None:
    with gateway.client(None) as client:
        answer = client.get("/health")
    assert answer.status_code == 200
    health = answer.json()
    assert set(health) == {"status", "uptime", "connections", "queue", "resources"}
    assert set(health["connections"]) == {"total", "open", "failed", "recovering", "active"}
    assert set(health["queue"]) == {"waiting", "active", "dead", "failed"}
    assert set(health["resources"]) == {"cpu", "memory"}
    assert set(health["resources"]["memory"]) == {"percentage"}
    assert "shop" not in answer.text
    for model, former in (("ConnectionCounts", "active"), ("QueueCounts", "failed")):
        fields = DOCUMENT["components"]["schemas"][model]["properties"]
        assert [name for name, one in fields.items() if one.get("deprecated")] == [former]


def test_health_with_a_wrong_key_is_refused(gateway: Gateway) -> None:
    with gateway.client("tmo_wrong") as client:
        assert client.get("/health").status_code == 401


def test_health_with_a_key_tells_why(api: Api) -> None:
    health = api.get("/health").json()
    used, limit = health["redis"].pop("memory"), health["redis"].pop("memory_limit")
    assert 0 < used < limit
    assert health["redis"] == {"up": True, "durable": True, "reason": None}  # G1 holds
    assert health["store"] == {"up": True}
    assert health["connections"]["open"] == health["connections"]["active"]
    assert health["queue"]["dead"] == health["queue"]["failed"]
    assert [each["id"] for each in health["items"]] == ["shop"]


async def test_health_believes_the_monitor_while_it_speaks(
    api: Api, documents: Documents, gateway: Gateway
) -> None:
    assert api.get("/health").json()["reasons"] == ["monitor_silent"]
    await documents.set(
        HEALTH_STATUS, LATEST, {"status": "healthy", "reasons": [], "at": time.time()}
    )
    gateway.until(lambda: api.get("/health").json()["status"] == "healthy", 5)
    await documents.set(
        HEALTH_STATUS,
        LATEST,
        {"reasons": [{"name": "cpu_high", "status": "degraded"}], "at": time.time()},
    )
    gateway.until(lambda: api.get("/health").json()["reasons"] == ["cpu_high"], 5)


def test_health_shows_the_breakers_that_the_tree_reported(api: Api, gateway: Gateway) -> None:
    """Also while the store is the one that is left alone: it comes past it."""
    assert api.get("/health").json()["breakers"] == {}
    shown = MetricsTotals()
    levels = {"redis": 0, "store": 2, "bucket": 1}
    gauges: list[Sample] = [("teimoso_breaker_state", {"of": of}, at) for of, at in levels.items()]
    shown.report("health", "1", (), gauges)
    metrics_file.write(gateway.data, shown.plain)
    health = api.get("/health").json()
    assert health["breakers"] == {"redis": "closed", "store": "open", "bucket": "half_open"}
    assert [each["breaker"] for each in health["items"]] == ["closed"]
    with gateway.client(None) as client:
        assert "breaker" not in client.get("/health").text


def test_the_load_of_the_last_hour(api: Api, gateway: Gateway) -> None:
    assert api.get("/api/system/metrics").json() == {"items": [], "next": None}
    usage = Usage(cpu=12.5, memory=50.0, own_cpu=1.0, own_memory=900, processes=7, disk=None)
    resource_history.write(gateway.data, (Point.of(usage, 1.0), Point.of(usage, 31.0)))
    first, second = api.get("/api/system/metrics").json()["items"]
    assert first == {
        "at": "1970-01-01T00:00:01.000Z",
        "cpu": 12.5,
        "memory": 50.0,
        "own_cpu": 1.0,
        "own_memory": 900,
        "processes": 7,
        "disk": None,
    }
    assert second["at"] == "1970-01-01T00:00:31.000Z"
    with gateway.client(None) as client:
        assert client.get("/api/system/metrics").status_code == 401


def test_live_and_ready(gateway: Gateway) -> None:
    with gateway.client(None) as client:
        assert client.get("/health/live").json() == {"status": "alive"}
        ready = client.get("/health/ready?from=a-load-balancer")
    assert ready.status_code == 200
    assert ready.json() == {"status": "ready", "redis": True, "store": True}


async def test_metrics_follow_what_happens(api: Api, leases: Leases, gateway: Gateway) -> None:
    def series() -> dict[tuple[str, tuple[str, ...]], float]:
        answer = api.get("/metrics")
        assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
        return {
            (sample.name, tuple(sample.labels.values())): sample.value
            for family in text_string_to_metric_families(answer.text)
            for sample in family.samples
        }

    before = series().get(("teimoso_messages_accepted_total", ("shop",)), 0)
    lease = await leases.take(SHOP, OWNER)
    await leases.report(SHOP, lease.epoch, state="open", cause=None, since=time.time())
    for _ in range(3):
        body = {"connection": "shop", "to": "15550100002", "text": "counted"}
        assert api.post("/api/messages", json=body).status_code == 202

    def seen() -> bool:
        found = series()
        return (
            found["teimoso_messages_accepted_total", ("shop",)] == before + 3
            and found["teimoso_queue_messages", ("shop", "waiting")] >= 3
            and found["teimoso_queue_oldest_age_seconds", ("shop",)] > 0
            and found["teimoso_connection_state", ("shop", "open")] == 1
            and found["teimoso_http_requests_total", ("POST", "/api/messages", "202")] >= 3
        )

    gateway.until(seen, 5)
    api.get("/15550100077/nothing")
    text = api.get("/metrics").text
    assert 'route="unmatched"' in text
    assert not leaks.NUMBER.search(text.encode())


def test_the_document_that_is_served_is_the_one_that_is_valid(api: Api) -> None:
    """Of this release; `tests/unit/gateway/http/test_openapi.py` validates it."""
    served = api.get("/openapi.json").json()
    assert served.pop("info")["version"] == version("teimoso")
    assert served == {name: part for name, part in DOCUMENT.items() if name != "info"}


def test_the_page_of_the_api_needs_nothing_from_elsewhere(gateway: Gateway) -> None:
    with gateway.client(None) as client:
        page = client.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'; script-src 'sha256-" in policy
    assert policy.count("script-src") == page.text.count("<script") == 1
    for mark in ("src=", "@import", "url("):
        assert mark not in page.text
    assert "/api/messages/{id}" in page.text
    assert "idempotency_conflict" in page.text
    assert f"127.0.0.1:{gateway.port}/api/messages</pre>" in page.text, "an example that can be run"


def logged(gateway: Gateway, request: str) -> None:
    """The answer may come before the line."""
    gateway.until(lambda: f'"{request}"' in gateway.log(), 10)


def test_every_answer_names_its_request(gateway: Gateway) -> None:
    seen = {}
    for path in ("/", "/health", "/nothing", "/api/messages"):
        answer = httpx.get(f"http://127.0.0.1:{gateway.port}{path}", verify=NO_AUTHORITIES)
        seen[path] = answer.headers["x-request-id"]
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert len(set(seen.values())) == 4
    quiet = seen.pop("/health")  # requested all the time, by monitors
    for request in seen.values():
        logged(gateway, request)
    assert quiet not in gateway.log()


def test_a_caller_names_its_request_unless_the_name_may_be_a_number(gateway: Gateway) -> None:
    for own, taken in (("checkout-42.a_b", True), ("order-15550100001", False)):
        answer = gateway.api.get("/api/queue", headers={"X-Request-Id": own})
        assert (answer.headers["x-request-id"] == own) is taken
        logged(gateway, answer.headers["x-request-id"])
    assert "15550100001" not in gateway.log()
