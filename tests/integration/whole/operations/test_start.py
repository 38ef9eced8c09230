"""The commands of the README and of `docs/start.md`, one after the other, as a newcomer types them."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.integration.whole.operations.pages import commands, run
from tests.waits import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.processes.instance import Instance

pytestmark = [pytest.mark.usefixtures("is_open"), pytest.mark.timeout(240)]

PAGE = "start.md"


@pytest.fixture
def guest(instance: Instance) -> Iterator[Instance]:
    """Leaves none of the connections that the pages add to the next test."""
    yield instance
    for path in ("/api/connections/demo", "/api/connections/first"):
        instance.api.delete(path)
        until("it is gone", partial(_is_gone, instance, path), 30)
    until("their processes ended", lambda: len(instance.pids("connection")) < 2, 30)


def _is_gone(instance: Instance, path: str) -> bool | None:
    return instance.api.get(path).status_code == 404 or None


def test_the_readme_sends_a_message(guest: Instance) -> None:
    instance = guest
    up, export, *steps = commands("../README.md", "Send a message")
    assert up.startswith("make up ")
    assert export.startswith("export PATH=")
    add, phone, scan, send, inbox, kill, again, both = steps
    for command in (add, phone, scan):
        run(instance, command)
    until("it is open", lambda: instance.connection("first")["state"] == "open" or None, 30)
    assert json.loads(run(instance, send))["status"] in {"sent", "delivered", "read"}
    assert "hello" in run(instance, inbox)
    before = instance.connection("first")["epoch"]
    run(instance, kill)
    assert json.loads(run(instance, again))["status"] in {"sent", "delivered", "read"}
    assert instance.connection("first")["epoch"] > before
    arrived = run(instance, both)
    assert arrived.count("hello") == arrived.count("still there?") == 1


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
