"""The verdict, reason by reason."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from actors.config.sources import resolve_settings
from actors.health.alerts import DRIFTING
from actors.health.checks import Thresholds, judge
from actors.health.samples import (
    Backlog,
    Backups,
    ConnectionSample,
    Mirror,
    ProbeResult,
    unreached,
)
from actors.health.status_document import document
from actors.health.unknown_reasons import OF_CONNECTIONS, OF_QUEUE, OF_REDIS_MEMORY
from actors.redis.client import RedisMemory
from actors.redis.leases.lease_record import HeldItems
from tests.unit.actors.health.well import AWAY, FAILED, HOUR, OPEN, THRESHOLDS, WELL, four


@pytest.mark.parametrize(
    ("change", "status", "names"),
    [
        ({}, "healthy", []),  # at a threshold is not above it
        ({"cpu": 80.1}, "degraded", ["cpu_high"]),
        ({"memory": 85.1}, "degraded", ["memory_high"]),
        ({"disk": 64 * 2**20}, "healthy", []),
        ({"disk": 64 * 2**20 - 1}, "degraded", ["disk_full"]),
        ({"room": 1}, "healthy", []),
        ({"room": 0}, "degraded", ["disk_reserve"]),
        ({"room": 0, "low": True}, "degraded", ["disk_reserve"]),
        ({"room": 1, "low": True}, "degraded", ["disk_reserve"]),
        (
            {"connections": four(a=replace(OPEN, held=HeldItems(0, 2, 2)))},
            "healthy",
            ["files_deferred"],
        ),
        ({"redis": AWAY, "connections": None, "queue": None}, "degraded", ["redis_away"]),
        ({"store": AWAY}, "degraded", ["store_away"]),
        ({"vault": "no_answer"}, "degraded", ["vault_away"]),
        ({"backups": Backups(1.0)}, "degraded", ["instance_backup_failed"]),
        ({"backups": Backups(None, ("shop",))}, "degraded", ["instance_backup_incomplete"]),
        (
            {"connections": four(a=replace(OPEN, behind=900.0), b=replace(OPEN, behind=800.0))},
            "degraded",
            ["backups_behind"],
        ),
        (
            {"connections": four(a=replace(OPEN, version_ends_at=9e8))},
            "healthy",
            ["version_expires"],
        ),
        (
            {"connections": {"x": ConnectionSample("stopped", "stopped", version_ends_at=9e8)}},
            "healthy",
            [],
        ),
        (
            {"connections": four(a=replace(OPEN, limited_until=1001.0, limit_reason="time_lock"))},
            "healthy",
            ["connection_limited"],
        ),
        ({"connections": four(a=replace(OPEN, limited_until=1000.0))}, "healthy", []),  # over
        (
            {"connections": {"x": ConnectionSample("stopped", "stopped", limited_until=1001.0)}},
            "healthy",
            ["connection_limited"],
        ),
        (
            {"connections": four(a=replace(OPEN, mistaken_at=999.0))},
            "healthy",
            ["protocol_mistake"],
        ),
        ({"connections": four(a=replace(OPEN, mistaken_at=1000.0 - 86_400))}, "healthy", []),
        (
            {"connections": {"x": ConnectionSample("stopped", "stopped", held=HeldItems(2))}},
            "healthy",
            ["document_refused"],
        ),
        ({"redis": AWAY, "store": AWAY}, "unhealthy", ["redis_away", "store_away"]),
        ({"redis": ProbeResult(ok=True, seconds=0.3)}, "degraded", ["redis_slow"]),
        ({"store": ProbeResult(ok=True, seconds=1.5)}, "degraded", ["store_slow"]),
        ({"mirror": Mirror(differences=(0, 0, 1))}, "degraded", ["queue_differs"]),
        ({"redis_memory": RedisMemory(90, 100)}, "healthy", ["redis_full"]),
        ({"redis_memory": RedisMemory(80, 100)}, "healthy", []),
        ({"redis_memory": RedisMemory(100, 100)}, "degraded", ["redis_full"]),
        ({"redis_memory": RedisMemory(100, None)}, "healthy", []),
        ({"connections": {"x": replace(OPEN, queue_bytes=801)}}, "healthy", ["queue_full"]),
        ({"connections": {"x": replace(OPEN, queue_bytes=800)}}, "healthy", []),
        ({"durability": "Redis: appendfsync is no, not always."}, "degraded", ["not_durable"]),
        # one of five: an alert, and a healthy service
        ({"connections": four(x=FAILED)}, "healthy", ["connection_failed"]),
        (
            {"connections": four(x=FAILED, y=ConnectionSample("running", "logged_out"))},
            "degraded",
            ["connection_failed", "connection_failed", "connections_failed"],
        ),
        (
            {"connections": four(x=ConnectionSample("running", "pairing", obstacle="logged_out"))},
            "healthy",
            ["connection_blocked"],
        ),
        # what its proxy refuses needs somebody, though it goes on trying
        *(
            (
                {"connections": {"x": ConnectionSample("running", state, cause=cause)}},
                "healthy",
                reasons,
            )
            for state, cause, reasons in (
                ("reconnecting", "proxy_authentication_failed", ["connection_blocked"]),
                ("pairing", "proxy_refused", ["connection_blocked"]),
                ("reconnecting", "disk_full", ["connection_blocked"]),
                ("reconnecting", "proxy_unreachable", []),
                ("open", None, []),
            )
        ),
        ({"connections": {"x": FAILED}}, "unhealthy", ["connection_failed", "all_failed"]),
        # who shall not run has not failed
        ({"connections": {"x": ConnectionSample("stopped", "failed")}}, "healthy", []),
        ({"connections": {"x": ConnectionSample("logged_out", "logged_out")}}, "healthy", []),
        ({"connections": {"x": ConnectionSample("running", None)}}, "healthy", []),
        ({"connections": {"x": ConnectionSample("running", "pairing")}}, "healthy", []),
        (
            {"connections": {"x": ConnectionSample("stopped", "stopped", obstacle="banned")}},
            "healthy",
            [],
        ),
        ({"connections": {}}, "healthy", []),
        ({"connections": four(x=replace(OPEN, silent=90.0))}, "healthy", []),
        ({"connections": four(x=replace(OPEN, silent=91.0))}, "degraded", ["connection_stale"]),
        ({"queue": Backlog(waiting=101)}, "healthy", ["queue_backlog"]),
        ({"zombies": {"a": 2, "b": 2}}, "healthy", []),
        ({"zombies": {"a": 3, "b": 2}}, "healthy", ["connection_zombie"]),
        ({"queue": Backlog(dead=1)}, "healthy", ["dead_letters"]),
    ],
)
def test_reasons(change: dict[str, Any], status: str, names: list[str]) -> None:
    verdict = judge(replace(WELL, **change), THRESHOLDS)
    assert verdict.status == status
    assert [reason.name for reason in verdict.reasons] == names


def test_the_soonest_end_of_a_version_is_reported() -> None:
    connections = four(
        a=replace(OPEN, version_ends_at=2000000900.0), b=replace(OPEN, version_ends_at=2000000000.0)
    )
    (reason,) = judge(replace(WELL, connections=connections), THRESHOLDS).reasons
    assert "that 2 connections announce until 2033-05-18T03:33:20Z." in reason.detail
    assert judge(replace(WELL, connections=None), THRESHOLDS).unknown >= {"version_expires"}


@pytest.mark.parametrize(
    ("ends", "urgent"),
    [([72 * HOUR + 1], False), ([72 * HOUR], True), ([90 * HOUR, HOUR], True), ([-HOUR], True)],
)
def test_the_end_of_a_version_is_urgent_three_days_before(ends: list[float], urgent: bool) -> None:
    connections = {
        f"c{n}": replace(OPEN, version_ends_at=WELL.at + end) for n, end in enumerate(ends)
    }
    (reason,) = judge(replace(WELL, connections=connections), THRESHOLDS).reasons
    assert (reason.name, reason.urgent) == ("version_expires", urgent)


@pytest.mark.parametrize(
    ("limit", "waits"),
    [
        ("time_lock", "messages to people who never wrote wait."),
        ("new_chats_capped", "messages that would begin another wait."),
    ],
)
def test_a_limit_is_reported_with_its_end_and_its_messages(limit: str, waits: str) -> None:
    """A chat that the account itself began waits for no cap."""
    seen = replace(OPEN, limited_until=2000000000.0, limit_reason=limit)
    (reason,) = judge(replace(WELL, connections=four(shop=seen)), THRESHOLDS).reasons
    assert reason.subject == "shop"
    assert reason.detail.partition(": ")[2] == (
        f"{waits} That ends at 2033-05-18T03:33:20Z; all others go on."
    )
    assert "connection_limited" not in DRIFTING, "its end may move"


@pytest.mark.parametrize(
    ("states", "since", "expected", "remark"),
    [
        (["connecting"], None, 100.0, "it begins now"),
        (["reconnecting", None], 40.0, 40.0, "it goes on"),
        (["reconnecting", "open"], 40.0, None, "one is there"),
        (["pairing"], 40.0, None, "WhatsApp gave a QR"),
        (["failed", "logged_out"], 40.0, None, "these wait for a person"),
        (["failed", "connecting"], 40.0, 40.0, "and the other one cannot"),
        ([], 40.0, None, "none is to be open"),
    ],
)
def test_unreached(
    states: list[str | None], since: float | None, expected: float | None, remark: str
) -> None:
    seen = {str(number): ConnectionSample("running", state) for number, state in enumerate(states)}
    stopped = {"stopped": ConnectionSample("stopped", "connecting")}
    banned = {"banned": ConnectionSample("running", "reconnecting", obstacle="banned")}
    assert unreached(seen | stopped | banned, since, 100.0) == expected, remark
    assert unreached(None, since, 100.0) == since, "nobody could say"


@pytest.mark.parametrize(("for_seconds", "names"), [(59.9, []), (60.0, ["whatsapp_away"])])
def test_an_instance_that_does_not_reach_whatsapp_is_not_healthy(
    for_seconds: float, names: list[str]
) -> None:
    trying = {"shop": ConnectionSample("running", "connecting")}
    sample = replace(WELL, connections=trying, unreached_for=for_seconds)
    verdict = judge(sample, THRESHOLDS)
    assert [reason.name for reason in verdict.reasons] == names
    assert verdict.status == ("unhealthy" if names else "healthy")
    assert judge(replace(WELL, unreached_for=None), THRESHOLDS).status == "healthy"
    blind = replace(WELL, connections=None, unreached_for=for_seconds)
    assert "whatsapp_away" in judge(blind, THRESHOLDS).unknown


def test_each_reason_has_the_severity_of_its_alert() -> None:
    held = HeldItems(0, 2, 2)
    sample = replace(WELL, cpu=99, connections=four(a=FAILED, b=replace(OPEN, held=held)))
    reasons = document(sample, judge(sample, THRESHOLDS))["reasons"]
    assert {one["name"]: one["severity"] for one in reasons} == {
        "cpu_high": "warning",
        "connection_failed": "critical",
        "files_deferred": None,
    }


def test_a_reason_names_the_connection_it_is_about() -> None:
    verdict = judge(replace(WELL, connections=four(shop=FAILED)), THRESHOLDS)
    assert [reason.subject for reason in verdict.reasons] == ["shop"]


@pytest.mark.parametrize(
    ("seen", "sentence"),
    [
        (
            ConnectionSample("running", "failed", cause="locked"),
            "WhatsApp locked the account. Open WhatsApp on",
        ),
        (
            ConnectionSample("running", "failed", cause="PermissionError"),
            "The connection is failed: Permi",
        ),
        (ConnectionSample("running", "failed"), "The connection is failed."),
        (
            ConnectionSample(
                "running", "reconnecting", obstacle="temporarily_banned", until=3600.0
            ),
            "WhatsApp banned the account for a time. It logs in again by itself at 1970-01-01T01:00",
        ),
        (
            ConnectionSample("running", "connecting", obstacle="bad_session"),
            "Its session was damaged",
        ),
        # A failure for another reason has that reason.
        (
            ConnectionSample("running", "failed", cause="outdated", obstacle="logged_out"),
            "WhatsApp refuses",
        ),
    ],
)
def test_a_reason_says_what_happened_and_what_to_do(seen: ConnectionSample, sentence: str) -> None:
    [found] = judge(replace(WELL, connections=four(shop=seen)), THRESHOLDS).reasons
    assert sentence in found.detail


@pytest.mark.parametrize(
    ("cause", "alone", "by_hand"),
    [
        ("crash_loop", "it is tried again in five minutes.", "start tries it again."),
        ("outdated", "`start` looks again.", "then start the connection."),
        ("crashed", "The connection is failed: crashed.", "start tries it again."),
        ("hung", "The connection is failed: hung.", "start tries it again."),
    ],
)
def test_no_recovery_is_promised_where_there_is_none(cause: str, alone: str, by_hand: str) -> None:
    sample = replace(
        WELL, connections=four(shop=ConnectionSample("running", "failed", cause=cause))
    )
    for auto_recovery, sentence in ((True, alone), (False, by_hand)):
        thresholds = replace(THRESHOLDS, auto_recovery=auto_recovery)
        [found] = judge(sample, thresholds).reasons
        assert found.detail.endswith(sentence)


def test_what_nobody_could_see_is_unknown_and_not_well() -> None:
    blind = replace(WELL, redis=AWAY, connections=None, queue=None, redis_memory=None)
    assert judge(WELL, THRESHOLDS).unknown == frozenset()
    assert judge(blind, THRESHOLDS).unknown == (
        OF_CONNECTIONS | OF_QUEUE | {"redis_slow", "not_durable", "redis_full"}
    )
    assert judge(replace(WELL, redis_memory=None), THRESHOLDS).unknown == OF_REDIS_MEMORY
    assert judge(replace(WELL, disk=None, room=None), THRESHOLDS).unknown == {
        "disk_full",
        "disk_reserve",
    }
    assert judge(replace(WELL, store=AWAY), THRESHOLDS).unknown == {"store_slow"}


def test_the_thresholds_are_settings() -> None:
    settings = resolve_settings(
        data=Path("data"),
        cpu_threshold=70,
        memory_threshold=75,
        heartbeat_interval=1500,
        auto_recovery=False,
        queue_threshold=50,
        alert_repeat_interval=250,
        disk_threshold=1000,
        redis_latency_threshold=20,
        queue_memory_per_connection=5,
        max_redis_memory=6,
        max_connections=7,
        store_latency_threshold=30,
    )
    low = Thresholds.of(settings)
    assert low == Thresholds(
        70,
        75,
        1.5,
        auto_recovery=False,
        waiting=50,
        repeat=0.25,
        disk=1000,
        redis=0.02,
        store=0.03,
        queue=settings.queue_limit,
        redis_memory=settings.redis_limit,
        parts=8,
    )
    assert (low.queue.size, low.redis_memory.size) == (5, 6)
    at = replace(
        WELL,
        disk=1000,
        redis=ProbeResult(ok=True, seconds=0.02),
        store=ProbeResult(ok=True, seconds=0.03),
    )
    past = replace(
        at,
        disk=999,
        redis=ProbeResult(ok=True, seconds=0.021),
        store=ProbeResult(ok=True, seconds=0.031),
    )
    assert not judge(replace(past, disk=2**30), THRESHOLDS).reasons
    stores = {"disk_full", "redis_slow", "store_slow"}
    assert not stores & {reason.name for reason in judge(at, low).reasons}
    assert stores <= {reason.name for reason in judge(past, low).reasons}
    assert "queue_backlog" in {
        reason.name
        for reason in judge(
            replace(WELL, queue=Backlog(waiting=51)), Thresholds.of(settings)
        ).reasons
    }


def test_the_document() -> None:
    sample = replace(WELL, connections=four(shop=FAILED))
    found = document(sample, judge(sample, THRESHOLDS))
    assert found["status"] == "healthy"
    assert found["reasons"] == [
        {
            "name": "connection_failed",
            "status": "healthy",
            "severity": "critical",
            "subject": "shop",
            "detail": "The connection is failed.",
        }
    ]
    assert found["alerts"] is None
    assert found["connections"] == {"total": 5, "active": 4, "failed": 1, "recovering": 0}
    assert found["queue"] == {"waiting": 100, "active": 2, "failed": 0}
    assert (found["at"], found["cpu"], found["memory"]) == (1000.0, 80, 85)
    blind = replace(sample, connections=None, queue=None)
    found = document(blind, judge(blind, THRESHOLDS))
    assert (found["connections"], found["queue"]) == (None, None)
