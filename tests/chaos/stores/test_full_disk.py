"""The disk of the session file is full for a while (G2, G5, G8, G11).

It lies on a small tmpfs, which only root can mount. While it is full nothing that arrives is acknowledged; then all
heals by itself.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.chaos.conftest import ACCOUNT, CONNECTION
from tests.chaos.harness.faults.outage import health, stored, unacknowledged
from tests.chaos.harness.records import alert, shown_alerts
from tests.chaos.harness.trial import Trial
from tests.processes.instance import Instance, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.run.figures import Figure

pytestmark = pytest.mark.timeout(240)


@pytest.fixture
def small(disk: Path | str) -> Path:
    if isinstance(disk, str):
        pytest.skip(disk)
    return disk


@contextmanager
def full(disk: Path) -> Iterator[None]:
    """Nothing more fits on it until this is left."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as stream:
        for size in (1 << 16, 1 << 12):
            try:
                while stream.write(b"x" * size):
                    pass
            except OSError:
                continue
    try:
        yield
    finally:
        filler.unlink()


def test_a_full_disk_under_the_session(instance: Instance, small: Path, figure: Figure) -> None:
    """Messages that cannot be stored are not acknowledged; accepted ones wait."""
    with Trial(instance, CONNECTION, ACCOUNT, figure) as trial:
        with trial.during(full(small)):
            full_at = trial.struck_at
            until("WhatsApp waits", lambda: unacknowledged(instance, ACCOUNT) > 20 or None, 60)
            time.sleep(5)  # longer than some attempts of a message take
            alert(instance, full_at, "disk_full", active=True)
            assert "disk_full" in shown_alerts(instance)
            # A few more may find room where an attempt made some; no more than that.
            until(
                "WhatsApp still waits", lambda: unacknowledged(instance, ACCOUNT) > 20 or None, 60
            )
            waiting, told = unacknowledged(instance, ACCOUNT), instance.connection(CONNECTION)
            assert told["cause"] in {"disk_full", None}, "None: it is trying just now"
            before = stored(instance, CONNECTION)
        begun = time.monotonic()
        until("the connection is open", lambda: state(instance) == "open" or None, 60)
        until("what waited is stored", lambda: stored(instance, CONNECTION) > before or None, 60)
        seconds = time.monotonic() - begun
        trial.told = (
            f"session's disk full: {told['state']} ({told['cause']}), {waiting} not acknowledged; "
            f"open and storing {seconds:.1f} s after there was room"
        )
    alert(instance, full_at, "disk_full", active=False)
    assert not trial.traffic.refused, "Redis takes what the session cannot send yet"
    assert health(instance)["queue"]["failed"] == 0, "a full disk is no attempt of a message"
    assert instance.qr(CONNECTION) is None
    until("WhatsApp waits for nothing", lambda: unacknowledged(instance, ACCOUNT) == 0 or None, 20)


def state(instance: Instance) -> str:
    found: str = instance.connection(CONNECTION)["state"]
    return found
