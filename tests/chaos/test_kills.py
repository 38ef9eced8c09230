"""`kill -9` of each kind of process while messages flow both ways (G2, G3, G4, G5, G7, G8).

The bounds are those of the design for this class of machine, with room for a noisy one; the
figures are printed. Nothing may be lost, doubled or reordered, and no QR may be asked for.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.chaos.traffic import Traffic, judge
from tests.instance import PARTS, Instance, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.timeout(240)

CONNECTION, ACCOUNT = "shop", "15550100001"
CHATS = 3


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    data: Path = tmp_path_factory.mktemp("kills")
    with Instance(data) as running:
        running.pair(CONNECTION, ACCOUNT)
        yield running


def load(instance: Instance, digit: str) -> Traffic:
    """Chats of their own for each test, so that one test's tokens are never another's."""
    contacts = [f"1555011{digit}{chat:03d}" for chat in range(CHATS)]
    return Traffic(instance, CONNECTION, ACCOUNT, contacts)


def back(instance: Instance, role: str, old: int) -> float:
    """Seconds until the role runs again under another pid."""
    begun = time.monotonic()
    connection = CONNECTION if role == "connection" else None

    def look() -> bool:
        try:
            return instance.process(role, connection).pid != old
        except AssertionError:
            return False

    until(f"the {role} is back", lambda: look() or None, 30)
    return time.monotonic() - begun


@pytest.mark.parametrize(
    ("role", "digit"),
    [
        ("connection", "1"),
        ("queue", "2"),
        ("state", "3"),
        ("health", "4"),
        ("root", "5"),
        ("gateway", "6"),
    ],
)
def test_a_killed_process_is_not_missed(
    instance: Instance, role: str, digit: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = instance.connection(CONNECTION)
    served_by = instance.process("connection", CONNECTION).pid
    with load(instance, digit) as traffic:
        until("messages flow", lambda: traffic.given() > 60, 30)
        killed_at = time.time()
        old = instance.kill(role, CONNECTION if role == "connection" else None)
        seconds = back(instance, role, old)
        mark = traffic.given()
        until("messages flow again", lambda: traffic.given() > mark + 60, 30)
    verdict = judge(traffic, killed_at)
    with capsys.disabled():
        print(f"\n  {role} killed: back after {seconds:.1f} s; {verdict}")
    verdict.require_clean()
    after = instance.connection(CONNECTION)
    assert after["state"] == "open"
    assert instance.qr(CONNECTION) is None
    if role == "connection":
        assert verdict.in_flight > 0, "the process was idle: its death proves nothing"
        assert after["epoch"] > before["epoch"]
    else:
        assert after["epoch"] == before["epoch"], "the connection was disturbed"
        assert instance.process("connection", CONNECTION).pid == served_by


def test_everything_killed_at_once_comes_back_with_one_command(
    instance: Instance, capsys: pytest.CaptureFixture[str]
) -> None:
    with load(instance, "9") as traffic:
        until("messages flow", lambda: traffic.given() > 60, 30)
        killed_at = time.time()
        killed = instance.kill_everything()
        assert len(killed) >= len(PARTS)
        begun = time.monotonic()
        instance.up()
        instance.ready(60)
        seconds = time.monotonic() - begun
        mark = traffic.given()
        until("messages flow again", lambda: traffic.given() > mark + 60, 30)
    verdict = judge(traffic, killed_at)
    with capsys.disabled():
        print(
            f"\n  everything killed: {len(killed)} processes, ready after {seconds:.1f} s; {verdict}"
        )
    verdict.require_clean()
    assert verdict.in_flight > 0
    assert instance.qr(CONNECTION) is None
    assert instance.connection(CONNECTION)["state"] == "open"
