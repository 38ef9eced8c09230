"""`teimoso upgrade` from an older commit: its actors, files, keys and scripts meet the present ones."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING

import pytest

from actors.connection.whatsmeow.program import executable
from tests.integration.whole.operations.older_code import (
    BEFORE,
    PROGRAM,
    checkout,
    environment,
    pull,
    read,
)
from tests.integration.whole.shop import ACCOUNT, CONTACT, SHOP
from tests.integration.whole.traffic import OTHER, SECOND, Traffic, owners
from tests.processes.instance import Instance
from tests.waits import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]
RENAMED = {
    "supervision/root.py": ("_write_process_files", "_entry", "renew"),
    "actors/connection/actor.py": ("_take_over", "_introduce", "_retry_at"),
    "actors/state/actor.py": ("_write", "_settings_of"),
    "actors/health/actor.py": ("_look",),
}
"""Methods with another name in the older code: private ones, and one that `upgrade` calls, so that it is new."""


@pytest.fixture
def code(tmp_path: Path) -> Path:
    code = checkout(BEFORE, tmp_path / "code")
    for file, names in RENAMED.items():
        source = (code / file).read_text()
        for name in names:
            assert f"def {name}(" in source
            source = re.sub(rf"(?:(?<=def )|(?<=self\.)){name}\b", f"{name}_then", source)
        (code / file).write_text(source)
    return code


@pytest.fixture
def instance(tmp_path: Path, code: Path) -> Iterator[Instance]:
    with Instance(tmp_path / "data", environment(code)) as running:
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
    (program,) = instance.process("connection", SHOP).children()
    assert program.exe() == str(code / PROGRAM)
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
    (program,) = instance.process("connection", SHOP).children()
    assert program.exe() == str(executable.INSTALLED)
    traffic.judge()
    assert traffic.looks > 5
