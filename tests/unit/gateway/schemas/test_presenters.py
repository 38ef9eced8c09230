from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from actors.config.settings import Settings
from actors.queue.records import Counts, Record
from actors.redis.leases.leases import Lease
from actors.state.connection_document import Observed
from actors.state.connections import Connection
from gateway.schemas import presenters

SETTINGS = Settings.model_validate({})
REGISTERED = Connection(
    id="shop",
    engine="whatsmeow",
    webhook=None,
    desired="running",
    generation=0,
    recover=0,
    created_at=100.0,
    deleted=False,
    observed=None,
)
LEASE = Lease(
    connection="shop",
    epoch=3,
    owner=None,
    state="open",
    cause=None,
    since=200.0,
    beat=210.0,
    restarts=2,
    account="15550100001@s.whatsapp.net",
)
RECORD = Record(
    id="shop.3EB0AAAAAAAAAAAAAAAAAA",
    message_id="3EB0AAAAAAAAAAAAAAAAAA",
    connection="shop",
    chat="15550100002@s.whatsapp.net",
    type="text",
    text="hi",
    priority=5,
    status="sent",
    attempts=1,
    error=None,
    uncertain=False,
    accepted_at=1.5,
    times={"queued": 1.5, "sending": 2.0, "sent": 3.0},
)


@pytest.mark.parametrize(
    ("desired", "state"),
    [("running", "connecting"), ("stopped", "stopped"), ("logged_out", "logged_out")],
)
def test_before_any_owner_the_wish_is_the_state(desired: Any, state: str) -> None:
    seen = presenters.connection(
        replace(REGISTERED, desired=desired), None, alive=False, settings=SETTINGS
    )
    assert (seen.state, seen.epoch, seen.restarts, seen.account) == (state, 0, 0, None)
    assert seen.since == "1970-01-01T00:01:40.000Z"


def test_an_alert_has_its_reason_of_the_last_round_while_it_is_active() -> None:
    stored = {
        "id": "cpu_high.5000",
        "name": "cpu_high",
        "subject": None,
        "severity": "warning",
        "reason": "CPU at 91 %.",
        "active": True,
        "raised_at": 5.0,
        "cleared_at": None,
    }
    now: dict[tuple[str, str | None, float], str] = {("cpu_high", None, 5.0): "CPU at 97 %."}
    assert presenters.alert(stored, now).reason == "CPU at 97 %."
    assert presenters.alert(stored, {}).reason == "CPU at 91 %."
    over = {**stored, "active": False, "cleared_at": 9.0}
    assert presenters.alert(over, now).reason == "CPU at 91 %."


def test_the_end_of_the_announced_version_is_shown() -> None:
    lease = replace(LEASE, version_ends_at=2000000000.0)
    assert (
        presenters.connection(REGISTERED, LEASE, alive=True, settings=SETTINGS).version_ends_at
        is None
    )
    shown = presenters.connection(REGISTERED, lease, alive=True, settings=SETTINGS)
    assert shown.version_ends_at == "2033-05-18T03:33:20.000Z"


@pytest.mark.parametrize(
    ("now", "until"), [(1999999999.0, "2033-05-18T03:33:20.000Z"), (2000000000.0, None)]
)
def test_a_limit_is_shown_until_it_is_over(now: float, until: str | None) -> None:
    """Also where its owner is gone, and says nothing more."""
    lease = replace(LEASE, owner=None, limited_until=2000000000.0, limit_reason="time_lock")
    shown = presenters.connection(REGISTERED, lease, alive=False, settings=SETTINGS, now=now)
    assert shown.limited_until == until
    assert shown.limit_reason == ("time_lock" if until else None)
    unlimited = presenters.connection(REGISTERED, LEASE, alive=True, settings=SETTINGS)
    assert (unlimited.limited_until, unlimited.limit_reason) == (None, None)


@pytest.mark.parametrize(
    ("observed", "state", "remark"),
    [
        (None, "open", "only the lease knows"),
        (Observed("failed", epoch=2, since=900.0), "open", "an older epoch, whenever it spoke"),
        (Observed("failed", epoch=3, since=199.0), "open", "same epoch, earlier"),
        (Observed("failed", epoch=3, since=200.0), "open", "a tie: the lease is live"),
        (Observed("failed", epoch=3, since=201.0), "failed", "same epoch, later"),
        (Observed("failed", epoch=4, since=1.0), "failed", "Redis was emptied"),
    ],
)
def test_the_newer_view_wins(observed: Observed | None, state: str, remark: str) -> None:
    seen = presenters.connection(
        replace(REGISTERED, observed=observed), LEASE, alive=True, settings=SETTINGS
    )
    assert seen.state == state, remark
    assert seen.account == "15550100001@s.whatsapp.net", remark


def test_without_a_lease_the_store_tells() -> None:
    observed = Observed("open", epoch=7, since=5.0, account="a", restarts=1, cause="network")
    seen = presenters.connection(
        replace(REGISTERED, observed=observed), None, alive=True, settings=SETTINGS
    )
    assert (seen.state, seen.cause, seen.epoch, seen.restarts) == ("open", "network", 7, 1)


@pytest.mark.parametrize("lease", [LEASE, None])
def test_none_is_open_whose_owner_is_not_known_to_be_alive(lease: Lease | None) -> None:
    """G14."""
    observed = Observed("open", epoch=2, since=5.0)
    seen = presenters.connection(
        replace(REGISTERED, observed=observed), lease, alive=False, settings=SETTINGS
    )
    assert seen.state == "reconnecting"
    failed = replace(observed, state="failed", epoch=9)
    seen = presenters.connection(
        replace(REGISTERED, observed=failed), lease, alive=False, settings=SETTINGS
    )
    assert seen.state == "failed"


def test_a_time_for_each_status() -> None:
    message = presenters.queued(RECORD)
    assert message.accepted_at == message.queued_at == "1970-01-01T00:00:01.500Z"
    assert message.sending_at == "1970-01-01T00:00:02.000Z"
    assert message.sent_at == "1970-01-01T00:00:03.000Z"
    assert message.read_at is None
    assert message.direction == "out"


def test_the_status_with_which_it_was_accepted() -> None:
    assert presenters.first_status(RECORD) == "queued"
    assert presenters.first_status(replace(RECORD, send_at=1.0)) == "queued"
    assert presenters.first_status(replace(RECORD, send_at=9.0)) == "waiting"


def test_a_received_message() -> None:
    message = presenters.stored(
        {
            "id": "shop.in.0123",
            "message_id": "ABCD",
            "connection": "shop",
            "chat": "15550100002@s.whatsapp.net",
            "sender": "15550100002@s.whatsapp.net",
            "direction": "in",
            "type": "text",
            "text": "hello",
            "status": "received",
            "at": 10.0,
            "received_at": 11.0,
        }
    )
    assert message.received_at == "1970-01-01T00:00:11.000Z"
    assert message.accepted_at is None
    assert (message.attempts, message.uncertain, message.error) == (0, False, None)


def test_the_queue_adds_up() -> None:
    counts = {"a": Counts(1, 2, 3, 4, 5.0), "b": Counts(10, 20, 30, 40, None)}
    queue = presenters.queue(["a", "b", "gone"], counts)
    assert (queue.waiting, queue.active, queue.delayed, queue.dead) == (11, 22, 33, 44)
    assert [lane.oldest_at for lane in queue.items] == ["1970-01-01T00:00:05.000Z", None]


@pytest.mark.parametrize(
    ("flags", "linked_at", "shown"),
    [
        ({}, 2e9, ("new_account", 4, 50, 3, 1, 28, "2033-05-18T03:33:20.000Z")),
        (
            {"pacing_new_chats_per_day": 9},
            2e9,
            ("new_account", 4, 50, 9, 1, 28, "2033-05-18T03:33:20.000Z"),
        ),
        (
            {"pacing_new_accounts": False},
            2e9,
            (None, None, None, None, None, None, "2033-05-18T03:33:20.000Z"),
        ),
        ({"pacing_messages_per_day": 9}, None, ("settings", None, 9, None, None, None, None)),
        ({}, None, (None, None, None, None, None, None, None)),
    ],
)
def test_the_pace_is_shown_with_its_reason(
    flags: dict[str, Any], linked_at: float | None, shown: tuple[Any, ...]
) -> None:
    settings = Settings.model_validate(flags)
    lease = replace(LEASE, linked_at=linked_at)
    seen = presenters.connection(REGISTERED, lease, alive=True, settings=settings, now=2e9 + 1)
    assert tuple(seen.pacing.model_dump().values()) == shown
