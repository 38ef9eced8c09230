"""`teimoso upgrade` from an older commit: its actors, files, keys and scripts meet the present ones."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

from tests.integration.whole.operations.older_code import checkout, pull, read
from tests.integration.whole.shop import ACCOUNT, CONTACT, SHOP
from tests.integration.whole.traffic import OTHER, SECOND, Traffic, owners
from tests.processes.instance import Instance
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]
BEFORE = "625f292a164c8f72dad393469543d42d9ee41492"
"""A commit whose actor classes have the present methods: Ray loads a class of the older code by their names."""


@pytest.fixture
def code(tmp_path: Path) -> Path:
    return checkout(BEFORE, tmp_path / "code")


@pytest.fixture
def instance(tmp_path: Path, code: Path) -> Iterator[Instance]:
    with Instance(tmp_path / "data", {"PYTHONPATH": str(code)}, older_code=True) as running:
        running.pair(SHOP, ACCOUNT)
        running.pair(SECOND, OTHER)
        yield running


def fall(instance: Instance) -> None:
    """The owner of ``shop`` falls, and the standby takes over."""
    (standby,) = until("a standby waits", lambda: instance.pids("standby") or None, 30)
    instance.kill("connection", SHOP)
    until("it took over", lambda: owners(instance).get(SHOP) == standby, 20)
    until("it is open", lambda: instance.connection(SHOP)["state"] == "open", 20)


def test_nothing_is_lost_between_the_code_of_before_and_that_of_now(
    instance: Instance, code: Path
) -> None:
    for role in ("root", "gateway", "connection"):
        assert instance.process(role).environ()["PYTHONPATH"].startswith(str(code))
    before, served = read(code), owners(instance)
    traffic = Traffic(instance)
    due = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 45))
    body = {"connection": SHOP, "to": CONTACT, "text": f"out {SHOP} later", "send_at": due}
    assert instance.api.post("/api/messages", json=body).status_code == 202
    traffic.sent.append(body["text"])
    traffic.start()
    try:
        until("messages flow", lambda: len(traffic.sent) > 4, 20)
        pull(code)
        assert read(code) != before
        fall(instance)  # to a standby of the older code; another one is made behind it
        fall(
            instance
        )  # to that one, under the root, the gateway and the services of the older code
        done = instance.teimoso("upgrade", "--json", timeout=240)
        assert done.returncode == 0, done.stdout + done.stderr
    finally:
        traffic.stop()
    assert json.loads(done.stdout)["complete"]
    assert all(owners(instance)[each] != pid for each, pid in served.items())
    traffic.judge()
    assert traffic.looks > 5
