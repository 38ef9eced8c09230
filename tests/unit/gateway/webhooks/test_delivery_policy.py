"""The consequence of an attempt for its event, and for the endpoint."""

from __future__ import annotations

import pytest

from actors.state.events.deliveries import Attempt
from actors.state.events.event import Event
from actors.state.events.outbox import NumberedEvent
from actors.state.webhooks import Progress, Secret, Webhook
from gateway.webhooks import delivery_policy
from gateway.webhooks.delivery_policy import DOWN, MAX_PAUSE, EndpointBreaker

NOW = 1_000_000.0
EVENT = Event("evt_1", "message.received", "shop", 1.0, {})
FRESH = NumberedEvent(7, NOW - 5, EVENT)
OLD = NumberedEvent(7, NOW - delivery_policy.DELIVERY_PERIOD, EVENT)
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
        ("endpoint_was_gone", FRESH, "dead"),
    ],
)
def test_verdicts(outcome: int | str, told: NumberedEvent, verdict: str) -> None:
    attempt = Attempt.of(NOW, outcome, 0.1)
    assert delivery_policy.judged(attempt, told, NOW) == verdict


def test_pauses_double_up_to_the_longest() -> None:
    pauses = [delivery_policy.pause(failures, 0.5) for failures in range(1, 15)]
    assert pauses[:3] == [0.75, 1.5, 3.0]
    assert pauses == sorted(pauses)
    assert pauses[-1] <= MAX_PAUSE


def endpoint(refusals: int = 0) -> EndpointBreaker:
    made = EndpointBreaker(None, None, None)
    for _ in range(refusals):
        made.refused(NOW, 0.5)
    return made


def test_an_endpoint_that_refuses_some_events_gets_all_others() -> None:
    some = endpoint(DOWN - 1)
    assert not some.down
    assert some.admits(NOW, 23)
    assert some.left(NOW) == 0.0


def test_an_endpoint_that_is_down_gets_one_new_event_at_a_time_and_ever_more_seldom() -> None:
    down = endpoint(DOWN)
    assert down.down
    assert not down.admits(NOW, 0)
    pauses = []
    now = NOW
    for _ in range(12):
        pauses.append(down.left(now))
        now += down.left(now)
        assert down.admits(now, 0)
        assert not down.admits(now, 1)
        down.refused(now, 0.5)
    assert pauses[:3] == [0.75, 1.5, 3.0]
    assert max(pauses) <= MAX_PAUSE
    assert down.admits(now - 10**6, 0), "though the clock was set back"
    down.refused(now - 10**6, 1.0)
    assert 0 < down.left(now - 10**6) <= MAX_PAUSE


def test_an_endpoint_goes_on_from_its_record() -> None:
    known = EndpointBreaker(NOW, "timeout", NOW - 5)
    assert (known.failing_since, known.error, known.delivered_at) == (NOW, "timeout", NOW - 5)
    known.failed(Attempt.of(NOW + 1, 500, 0.1), NOW + 1)
    assert known.failing_since == NOW, "since the first failure"


def test_a_reset_forgets_all_refusals() -> None:
    """At any time of the clock, 0 among them."""
    made = EndpointBreaker(None, None, None)
    for _ in range(2):
        downs = []
        for _ in range(DOWN):
            made.refused(0.0, 0.5)
            downs.append(made.down)
        assert downs == [False] * (DOWN - 1) + [True]
        assert made.left(0.0) == 0.75
        made.reset()


def test_what_was_on_its_way_as_it_went_down_counts_once() -> None:
    down = endpoint(DOWN + 20)
    assert down.left(NOW) == 0.75


def test_an_event_that_is_taken_opens_it_again() -> None:
    down = endpoint(DOWN)
    down.failed(Attempt.of(NOW, 500, 0.1), NOW)
    down.failed(Attempt.of(NOW + 1, "timeout", 15.0), NOW + 1)
    assert (down.failing_since, down.error) == (NOW, "timeout")
    assert down.took(NOW + 2)
    assert (down.failing_since, down.delivered_at, down.down) == (None, NOW + 2, False)
    assert down.admits(NOW + 2, 23)
    assert not down.took(NOW + 3), "it was not down this time"


def test_what_is_done_beyond_the_cursor_is_not_behind() -> None:
    known = Progress(cursor=6, done=(8, 8, 10, 12), parked=2)
    assert [seq for seq in range(5, 15) if not known.dealt(seq)] == [7, 9, 13, 14]
    assert known.behind(14) == 4 + 2
    assert Progress.of(known.document) == known


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


def test_no_log_gets_to_see_secrets() -> None:
    webhook = Webhook("wh_1", "x", (Secret("whsec_a"),), 1.0, headers={"X-Key": "psst"})
    assert Webhook.of(webhook.document) == webhook
    assert "whsec_a" not in repr(webhook)
    assert "psst" not in repr(webhook)
