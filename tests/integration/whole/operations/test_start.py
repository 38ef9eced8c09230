"""The commands of `docs/start.md`, one after the other, as a newcomer types them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.integration.whole.operations.pages import commands, run
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.processes.instance import Instance

pytestmark = [pytest.mark.usefixtures("is_open"), pytest.mark.timeout(240)]

PAGE = "start.md"


@pytest.fixture
def guest(instance: Instance) -> Iterator[Instance]:
    """Leaves nothing of ``demo`` to the next test."""
    yield instance
    instance.api.delete("/api/connections/demo")
    gone = "/api/connections/demo"
    until("it is gone", lambda: instance.api.get(gone).status_code == 404 or None, 30)
    until("its process ended", lambda: len(instance.pids("connection")) < 2, 30)


def test_a_newcomers_first_minutes(guest: Instance) -> None:
    instance = guest
    *link, listed = commands(PAGE, "Link an account")
    for command in link:
        run(instance, command)
    until("it is open", lambda: instance.connection("demo")["state"] == "open" or None, 30)
    assert "demo" in run(instance, listed)
    send, inbox, say, pause, read, post = commands(PAGE, "Send, and be answered")
    run(instance, send)
    assert "is it open?" in run(instance, inbox)
    for command in (say, pause):
        run(instance, command)

    def texts() -> set[str]:
        return {one["text"] for one in json.loads(run(instance, read))["items"]}

    until("both are stored", lambda: texts() == {"is it open?", "until six"}, 20)
    first = json.loads(run(instance, post))
    assert json.loads(run(instance, post))["id"] == first["id"], "the key makes it the same"
    status, kill, again, recoveries = commands(PAGE, "Knock it over")
    before = instance.connection("demo")["epoch"]
    assert "demo" in run(instance, status)
    for command in (kill, again):
        run(instance, command)
    assert instance.connection("demo")["epoch"] > before
    arrived = run(instance, inbox)
    assert "still there?" in arrived
    assert arrived.count("your order is on its way") == 1
    until("it is listed", lambda: "demo" in run(instance, recoveries) or None, 20)
