"""The metrics of a live service under load, as a real Prometheus reads them while its processes are killed."""

from __future__ import annotations

import json
import re
import subprocess
import threading
import time
from functools import partial
from typing import TYPE_CHECKING

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.integration.gateway.receiver import Receiver, add
from tests.integration.metrics import panels
from tests.plain_http import NO_AUTHORITIES
from tests.processes.instance import API_KEY, Instance
from tests.processes.prometheus import Prometheus, needed
from tests.run import leaks
from tests.waits import until

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.timeout(240)

ACCOUNT, ANA = "15550100001", "15550100002"
TEXT = "a text that nobody may see"
SECONDS = 30.0
"""Within which every query has points; scrapes and the tree's words take some of them."""


HAPPENS = (
    *(
        f'increase(teimoso_{name}{{connection="shop"}}[1m]) > 0'
        for name in (
            "messages_accepted_total",
            "messages_queued_total",
            "messages_sent_total",
            "messages_delivered_total",
            "messages_read_total",
            "messages_received_total",
            "message_sent_seconds_sum",
            "message_sent_seconds_count",
            "whatsapp_ack_seconds_sum",
            "backups_total",
        )
    ),
    'teimoso_connection_wanted{connection="shop"} == 1',
    'teimoso_connection_breaker_state{connection="shop"} == 0',
    'teimoso_connection_restarts_total{connection="shop"} == 1',
    'teimoso_traffic_age_seconds{connection="shop"} < 10',
    'teimoso_backup_age_seconds{connection="shop"} < 20',
    'teimoso_backup_interval_seconds{connection="shop"} == 2',
    'teimoso_recovery_seconds_sum{role="connection",cause="crashed"} > 0.01 < 30',
    *(
        f'teimoso_process_memory_bytes{{role="{role}"}} > 2e7 < 1e9'
        for role in ("connection", "standby", "state", "queue", "health", "root", "gateway")
    ),
    'teimoso_process_uptime_seconds{role="queue"} > 10',
    'teimoso_process_uptime_seconds{role="connection"} < 200',
    'teimoso_event_loop_lag_seconds{role="connection"} > 0 < 10',
    'increase(teimoso_redis_seconds_count{role="connection"}[1m]) > 0',
    'increase(teimoso_redis_seconds_count{role="gateway"}[1m]) > 0',
    'increase(teimoso_state_store_seconds_count{operation="write"}[1m]) > 0',
    'increase(teimoso_state_store_seconds_count{operation="read"}[1m]) > 0',
    'increase(teimoso_http_request_duration_seconds_count{route="/api/messages"}[1m]) > 0',
    'increase(teimoso_webhook_attempts_total{outcome="delivered"}[1m]) > 0',
    "teimoso_machine_memory_ratio > 0.01 < 1",
    "teimoso_disk_free_bytes > 0 < teimoso_disk_size_bytes",
)


@pytest.fixture(scope="module")
def instance(elsewhere: Instance) -> Instance:
    needed("prometheus")
    elsewhere.ready(60)
    return elsewhere


@pytest.fixture(scope="module")
def prometheus(
    instance: Instance, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Prometheus]:
    """With messages both ways all the time, after each kind of process that counts was killed."""
    made = instance.teimoso("keys", "create", "prometheus", "--scope", "metrics", "--json")
    key = json.loads(made.stdout)["key"]
    directory = tmp_path_factory.mktemp("prometheus") / "server"
    done = threading.Event()
    traffic = threading.Thread(target=flow, args=(instance, done))
    traffic.start()
    try:
        with (
            Receiver() as receiver,
            Prometheus(directory, f"127.0.0.1:{instance.port}", key, panels.RULES) as server,
        ):
            webhook = add(instance.api, receiver, events=["message.received"])
            counted = 'teimoso_messages_received_total{connection="shop"} > 2'
            until("messages are counted", lambda: server.points(counted), SECONDS)
            instance.kill("connection", "shop")
            until("it is seen", partial(server.points, restarted("connection")), SECONDS)
            drop = {"account": ACCOUNT, "kind": "drop"}
            instance.simulator.post("/faults", json=drop).raise_for_status()
            for role in ("state", "root"):
                instance.kill(role)
                until(f"{role} is seen", partial(server.points, restarted(role)), SECONDS)
            yield server
            instance.api.delete(f"/api/webhooks/{webhook['id']}").raise_for_status()
    finally:
        done.set()
        traffic.join()


def restarted(role: str) -> str:
    return f'increase(teimoso_restarts_total{{role="{role}",cause="crashed"}}[1m]) > 0'


def exported(instance: Instance) -> set[str]:
    families = text_string_to_metric_families(instance.api.get("/metrics").text)
    return {sample.name for family in families for sample in family.samples}


def flow(instance: Instance, done: threading.Event) -> None:
    headers = {"X-Api-Key": API_KEY}
    with httpx.Client(
        base_url=str(instance.api.base_url), headers=headers, timeout=15, verify=NO_AUTHORITIES
    ) as api:
        while not done.wait(0.1):
            body = {"connection": "shop", "to": ANA, "type": "text", "text": TEXT}
            api.post("/api/messages", json=body)
            instance.say(ANA, ACCOUNT, TEXT)


def test_every_query_has_points(prometheus: Prometheus) -> None:
    queries = {*panels.of_panels("shop"), *panels.of_rules()}
    assert len(queries) > 80
    end = time.monotonic() + SECONDS
    while queries := {query for query in queries if not prometheus.points(query.text)}:
        assert time.monotonic() < end, "no points: " + "\n".join(map(str, sorted(queries)))
        time.sleep(1)


def test_figures_are_those_of_what_happens(prometheus: Prometheus) -> None:
    """Of each series one that a counter at rest, or a gauge of something else, does not have."""
    waited = set(HAPPENS)
    end = time.monotonic() + SECONDS
    while waited := {query for query in waited if not prometheus.points(query)}:
        assert time.monotonic() < end, "not so: " + "\n".join(sorted(waited))
        time.sleep(1)


def test_promtool_finds_nothing_to_say_of_the_names(
    prometheus: Prometheus, instance: Instance
) -> None:
    text = instance.api.get("/metrics").text
    done = subprocess.run(
        [needed("promtool"), "check", "metrics"],
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_prometheus_judges_every_rule(prometheus: Prometheus) -> None:
    def judged() -> bool:
        found = prometheus.rules()
        assert {rule["name"] for rule in found} == {rule["alert"] for rule in panels.rules()}
        return all(rule["health"] == "ok" for rule in found)

    until("every rule was judged", judged, SECONDS)


def test_a_socket_that_closed_is_counted(prometheus: Prometheus, instance: Instance) -> None:
    items = instance.simulator.get("/faults").json()["items"]
    [fault] = [item for item in items if item["kind"] == "drop"]
    assert fault["struck"] == 1
    closed = 'increase(teimoso_socket_closes_total{connection="shop"}[5m]) > 0'
    until("a closed socket is counted", partial(prometheus.points, closed), SECONDS)


def test_nothing_is_lost(prometheus: Prometheus) -> None:
    """Seen at one of the scrapes at least: between two counts messages move."""
    until(
        "nothing is missing",
        lambda: prometheus.points("min_over_time(sum(teimoso_messages_unaccounted)[5s:1s]) == 0"),
        SECONDS,
    )


def test_no_total_ever_falls_or_jumps(prometheus: Prometheus, instance: Instance) -> None:
    """The gateway lived all the time, so nothing may look like a restart of what it shows."""
    names = {name for name in exported(instance) if re.search("_(total|count|sum|bucket)$", name)}
    assert len(names) > 40
    for name in names:
        assert prometheus.points(f"resets({name}[5m]) == 0"), name
        assert not prometheus.points(f"resets({name}[5m]) > 0"), name
    crashed = 'max(teimoso_restarts_total{role="connection",cause="crashed"})'
    [restarts] = until("they are scraped", partial(prometheus.points, crashed), SECONDS)
    assert float(restarts["value"][1]) == 1, "a new root counted again what the old one had"


def test_every_series_is_documented(instance: Instance, prometheus: Prometheus) -> None:
    text = (panels.ROOT / "docs" / "metrics.md").read_text()
    row = re.compile(r"^\| `(teimoso_\w+)` \| (\w+) \| .*? \| (.*) \|$", re.MULTILINE)
    documented = set(row.findall(text))
    shown = {
        (
            family.name + ("_total" if family.type == "counter" else ""),
            family.type,
            family.documentation,
        )
        for family in text_string_to_metric_families(instance.api.get("/metrics").text)
        if family.name.startswith("teimoso_")
    }
    assert shown == documented


def test_no_panel_asks_for_what_nobody_exports(instance: Instance, prometheus: Prometheus) -> None:
    names = exported(instance)
    for query in (*panels.of_panels("shop"), *panels.of_rules()):
        missing = panels.metrics(query.text) - names
        assert not missing, f"{query.where}: {missing}"


def test_no_series_names_anybody(instance: Instance, prometheus: Prometheus) -> None:
    text = instance.api.get("/metrics").text
    assert "teimoso_messages_sent_total" in text
    assert not leaks.NUMBER.search(text.encode())
    assert "nobody may see" not in text
