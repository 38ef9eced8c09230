"""`/health` in its short form, whatever is away."""

from __future__ import annotations

from typing import Any

import pytest

from actors.health.summary import Status, overall, summary, worst


def test_the_guides_example() -> None:
    assert summary(
        status="healthy",
        uptime=3600.9,
        states=["open", "open", "open", "open", "failed"],
        waiting=0,
        active=2,
        dead=3,
        cpu=45,
        memory=62,
    ) == {
        "status": "healthy",
        "uptime": 3600,
        "connections": {"total": 5, "open": 4, "active": 4, "failed": 1, "recovering": 0},
        "queue": {"waiting": 0, "active": 2, "dead": 3, "failed": 3},
        "resources": {"cpu": 45, "memory": {"percentage": 62}},
    }


def test_percents_have_one_decimal() -> None:
    found = summary(
        status="healthy", uptime=0, states=[], waiting=0, active=0, dead=0, cpu=4.26, memory=6.24
    )
    assert found["resources"] == {"cpu": 4.3, "memory": {"percentage": 6.2}}


@pytest.mark.parametrize(
    ("state", "counted"),
    [
        ("open", (1, 0, 0)),
        ("failed", (0, 1, 0)),
        ("logged_out", (0, 0, 0)),
        ("connecting", (0, 0, 1)),
        ("reconnecting", (0, 0, 1)),
        ("pairing", (0, 0, 0)),
        ("stopped", (0, 0, 0)),
        ("", (0, 0, 0)),
    ],
)
def test_what_a_state_counts_as(state: str, counted: tuple[int, int, int]) -> None:
    found = summary(
        status="healthy", uptime=0, states=[state], waiting=0, active=0, dead=0, cpu=0, memory=0
    )["connections"]
    assert found["total"] == 1
    assert (found["active"], found["failed"], found["recovering"]) == counted


def latest(*reasons: tuple[str, Status], at: float = 1000.0) -> dict[str, Any]:
    return {"at": at, "reasons": [{"name": name, "status": status} for name, status in reasons]}


CPU: tuple[str, Status] = ("cpu_high", "degraded")
REDIS: tuple[str, Status] = ("redis_away", "degraded")
BOTH: list[tuple[str, Status]] = [("redis_away", "unhealthy"), ("store_away", "unhealthy")]


@pytest.mark.parametrize(
    ("written", "redis", "store", "status", "reasons"),
    [
        (latest(), True, True, "healthy", []),
        (latest(("dead_letters", "healthy")), True, True, "healthy", ["dead_letters"]),
        (latest(CPU), True, True, "degraded", ["cpu_high"]),
        (latest(at=911.0), True, True, "healthy", []),  # three rounds of 30 s ago
        (latest(at=910.0), True, True, "healthy", []),
        (latest(at=909.0), True, True, "degraded", ["monitor_silent"]),
        (latest(at=890.0) | {"holds": 20.0}, True, True, "healthy", []),  # announced by the monitor
        (latest(at=889.0) | {"holds": 20.0}, True, True, "degraded", ["monitor_silent"]),
        (None, True, True, "degraded", ["monitor_silent"]),
        (latest(), False, True, "degraded", ["redis_away"]),  # before the monitor saw it
        (latest(REDIS), True, True, "healthy", []),  # after it came back
        (latest(*BOTH), True, True, "healthy", []),
        (latest(), True, False, "degraded", ["store_away"]),
        (latest(), False, False, "unhealthy", ["redis_away", "store_away"]),
        (latest(("all_failed", "unhealthy"), CPU), True, True, "unhealthy", None),
    ],
)
def test_the_status_follows_what_is_seen_now(
    written: dict[str, Any] | None,
    *,
    redis: bool,
    store: bool,
    status: Status,
    reasons: list[str] | None,
) -> None:
    found, named = overall(written, redis=redis, store=store, now=1000.0, interval=30.0)
    assert found == status
    assert reasons is None or named == reasons


def test_the_worst_counts() -> None:
    assert worst([]) == "healthy"
    assert worst(["degraded", "unhealthy", "healthy"]) == "unhealthy"
    assert worst(["healthy", "degraded"]) == "degraded"
