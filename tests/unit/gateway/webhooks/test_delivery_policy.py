"""What becomes of an attempt to deliver."""

from __future__ import annotations

import pytest

from actors.state.events.event import Event
from actors.state.events.outbox import Told
from actors.state.webhooks import Progress, Secret, Webhook
from gateway.webhooks import delivery_policy

NOW = 1_000_000.0
EVENT = Event("evt_1", "message.received", "shop", 1.0, {})
FRESH = Told(7, NOW - 5, EVENT)
OLD = Told(7, NOW - delivery_policy.PATIENCE, EVENT)
WEBHOOK = Webhook("wh_1", "https://example.com", (Secret("whsec_a"),), 1.0)


@pytest.mark.parametrize(
    ("outcome", "told", "verdict"),
    [
        (200, FRESH, "delivered"),
        (204, OLD, "delivered"),
        (299, FRESH, "delivered"),
        (199, FRESH, "retry"),
        (300, FRESH, "retry"),  # a redirect is not followed
        (307, FRESH, "retry"),
        (404, FRESH, "retry"),  # it may be deployed anew just now
        (410, FRESH, "gone"),
        (410, OLD, "gone"),
        (429, FRESH, "retry"),
        (500, FRESH, "retry"),
        (500, OLD, "dead"),
        ("timeout", FRESH, "retry"),
        ("timeout", OLD, "dead"),
        ("private_address", FRESH, "retry"),
        ("unreadable", FRESH, "dead"),
    ],
)
def test_verdicts(outcome: int | str, told: Told, verdict: str) -> None:
    assert delivery_policy.judged(outcome, told, NOW) == verdict


def advanced(progress: Progress, outcome: int | str, told: Told = FRESH) -> Progress:
    verdict = delivery_policy.judged(outcome, told, NOW)
    return delivery_policy.advanced(progress, verdict, outcome, told, now=NOW, chance=0.5)


def test_what_was_delivered_ends_what_failed() -> None:
    failing = Progress(cursor=6, attempts=3, error="timeout", retry_at=NOW, failing_since=NOW - 9)
    assert advanced(failing, 200) == Progress(cursor=7, delivered_at=NOW)


def test_a_failure_keeps_the_place_and_doubles_the_pause_up_to_the_longest() -> None:
    progress = Progress(cursor=6)
    pauses = []
    for attempts in range(1, 15):
        progress = advanced(progress, 500)
        assert (progress.cursor, progress.attempts) == (6, attempts)
        assert (progress.error, progress.failing_since) == ("status_500", NOW)
        assert progress.retry_at is not None
        pauses.append(progress.retry_at - NOW)
    assert pauses[:3] == [0.75, 1.5, 3.0]
    assert pauses == sorted(pauses)
    assert pauses[-1] <= delivery_policy.LONGEST


def test_a_dead_one_lets_the_next_go_at_once_and_the_endpoint_is_failing_still() -> None:
    failing = Progress(cursor=6, attempts=3, error="timeout", retry_at=NOW, failing_since=NOW - 9)
    after = advanced(failing, 503, OLD)
    assert (after.cursor, after.attempts, after.retry_at) == (7, 0, None)
    assert (after.error, after.failing_since) == ("status_503", NOW - 9)


def test_what_is_gone_before_it_was_delivered_is_counted() -> None:
    progress = Progress(cursor=6, attempts=2, missed=1)
    assert delivery_policy.found_missing(progress, 7) == progress
    assert delivery_policy.found_missing(progress, 3) == progress
    assert delivery_policy.found_missing(progress, 10) == Progress(cursor=9, missed=4)


@pytest.mark.parametrize(
    ("events", "connections", "connection", "wants"),
    [
        (None, None, None, True),
        (None, None, "shop", True),
        (("message.received",), None, "shop", True),
        (("message.read",), None, "shop", False),
        (None, ("shop",), "shop", True),
        (None, ("other",), "shop", False),
        (None, ("shop",), None, False),
    ],
)
def test_who_wants_what(
    events: tuple[str, ...] | None,
    connections: tuple[str, ...] | None,
    connection: str | None,
    wants: bool,
) -> None:
    webhook = Webhook("wh_1", "x", (), 1.0, events=events, connections=connections)
    assert webhook.wants(Event("e", "message.received", connection, 1.0, {})) is wants


def test_a_webhook_comes_back_from_its_document() -> None:
    assert Webhook.of(WEBHOOK.document) == WEBHOOK
    more = Webhook("wh_2", "x", (Secret("a"), Secret("b", 2.0)), 1.0, ("alert.raised",), ("shop",))
    assert Webhook.of(more.document) == more
    assert more.signs(1.0) == ["a", "b"]
    assert more.signs(2.0) == ["a"]


def test_no_log_gets_to_see_what_signs() -> None:
    assert "whsec_a" not in repr(WEBHOOK)
