"""The disk of the spool and of the session file is full for a while (G1, G2, G5, G8, G11).

Both lie on a small tmpfs, which only root can mount. While it is full nothing more is accepted
where Valkey is away too, and nothing that arrives is acknowledged; then all heals by itself.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.chaos.harness.outage import health, kept_away, stored, unacknowledged
from tests.chaos.harness.records import alert, shown_alerts
from tests.chaos.harness.trial import Trial
from tests.processes.instance import Instance, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.run.figures import Figure

pytestmark = pytest.mark.timeout(240)

CONNECTION, ACCOUNT = "shop", "15550100001"
SIZE = "160m"


@pytest.fixture(scope="module")
def disk() -> Iterator[Path]:
    if os.geteuid() != 0:
        pytest.skip("mounting a small tmpfs needs root")
    # Not where pytest keeps its directories: it would trip over one that is still mounted.
    place = Path(tempfile.mkdtemp(prefix="tmo-disk-"))
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=700", "tmpfs", str(place)]
    mounted = subprocess.run(mount, check=False, capture_output=True, text=True)
    try:
        if mounted.returncode:
            pytest.skip(f"mounting a small tmpfs: {mounted.stderr.strip()}")
        yield place
    finally:
        if not mounted.returncode:
            subprocess.run(["umount", "-l", place], check=True)
        place.rmdir()


@pytest.fixture(scope="module")
def instance(disk: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    data = tmp_path_factory.mktemp("full")
    (disk / "sessions").mkdir(mode=0o700)
    (data / "sessions").symlink_to(disk / "sessions")
    (data / "spool.db").symlink_to(disk / "spool.db")
    with Instance(
        data, {"RESTART_BACKOFF_CAP": "1000", "HEALTH_CHECK_INTERVAL": "1000"}
    ) as running:
        running.pair(CONNECTION, ACCOUNT)
        yield running


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


def test_a_full_disk_under_the_session(instance: Instance, disk: Path, figure: Figure) -> None:
    """What arrives is not acknowledged while it cannot be stored; what is accepted waits."""
    with Trial(instance, CONNECTION, ACCOUNT, figure) as trial:
        with trial.during(full(disk)):
            full_at = trial.struck_at
            until("WhatsApp waits", lambda: unacknowledged(instance, ACCOUNT) > 20 or None, 60)
            time.sleep(5)  # longer than some attempts of a message take
            alert(instance, full_at, "disk_full", active=True)
            assert "disk_full" in shown_alerts(instance)
            waiting, told = unacknowledged(instance, ACCOUNT), instance.connection(CONNECTION)
            assert waiting > 20, "what cannot be stored was acknowledged"
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


def test_a_full_disk_under_the_spool(instance: Instance, disk: Path, figure: Figure) -> None:
    """With Valkey away as well a send is refused, and may be tried again after a while."""
    with Trial(instance, CONNECTION, ACCOUNT, figure) as trial:
        traffic = trial.traffic
        with trial.during(kept_away(instance)):
            until("the spool has some", lambda: spooled(instance) > 20 or None, 30)
            with full(disk):
                until("sends are refused", lambda: traffic.refused["503"] > 10 or None, 60)
                body = {"connection": CONNECTION, "to": "15550149000", "type": "text", "text": "no"}
                refused = instance.api.post("/api/messages", json=body)
                assert refused.status_code == 503
                assert int(refused.headers["Retry-After"]) > 0
                assert refused.json()["code"] == "spool_unavailable"
            accepted = traffic.given()
            begun = time.monotonic()
            until("sends are accepted", lambda: traffic.given() > accepted + 20 or None, 30)
            seconds = time.monotonic() - begun
        trial.told = (
            f"Valkey away and the spool's disk full: accepted again {seconds:.1f} s after there "
            "was room"
        )
    assert spooled(instance) == 0
    assert state(instance) == "open"


def spooled(instance: Instance) -> int:
    found: int = health(instance)["spool"]["waiting"]
    return found
