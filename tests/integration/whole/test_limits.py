"""Limits of an account through the API on a whole instance: what it shows, and that nothing is repeated."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.whole.shop import ACCOUNT, SHOP
from tests.waiting import until

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
    """WhatsApp tells it in a notification, before any message is refused."""
    changes(instance, limited_until=FAR)

    def locked() -> bool:
        until_when = instance.connection(SHOP)["limited_until"]
        return until_when is not None and datetime.fromisoformat(until_when).timestamp() == FAR

    until("it shows the lock", locked, 15)
    assert instance.connection(SHOP)["limit_reason"]
    changes(instance, limited_until=None)
    until("the lock is gone", lambda: instance.connection(SHOP)["limited_until"] is None, 15)


@pytest.mark.usefixtures("unlimited")
def test_a_message_that_a_lock_would_refuse_waits_for_its_end(instance: Instance) -> None:
    """No attempt is made of it, and it leaves once the account is not locked any more."""
    changes(instance, limited_until=FAR)
    until("it is told", lambda: instance.connection(SHOP)["limited_until"] is not None, 15)
    sent = instance.api.post(
        "/api/messages", json={"connection": SHOP, "to": STRANGER, "text": "a new chat"}
    ).raise_for_status()
    identity = sent.json()["id"]
    until("it waits", lambda: instance.message(identity)["error"] == "reach_out_limited", 10)
    assert instance.message(identity)["attempts"] == 0
    changes(instance, limited_until=None)
    until("it is sent", lambda: instance.message(identity)["status"] in {"sent", "delivered"}, 15)
    assert instance.simulator.get(f"/accounts/{ACCOUNT}").json()["refused"] == {}
