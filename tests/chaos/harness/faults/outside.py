"""Faults of outside systems: Firestore, the bucket, a connection's disk.

An instance on these has its sessions in the bucket, and acknowledges a message to WhatsApp only once
Firestore has it (`cloud`), so that a disk may be lost at any moment.
"""

from __future__ import annotations

import os
import shutil
import signal
import time
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING, Any, Self

import httpx

from tests.chaos.harness.faults.faults import Fault, Struck, holder, killed
from tests.chaos.harness.faults.outage import frozen, stopped
from tests.processes.firestore import Firestore
from tests.processes.gcs import BUCKET, Gcs
from tests.waits import passes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from tests.chaos.harness.scene import Scene
    from tests.chaos.harness.traffic import Party

AWAY = 10.0
"""Seconds for which one of them is away, or stands still."""

HEALED = 30.0
"""The design's bound for both, in seconds from their return."""

RESTORED = 20.0
"""Seconds from the death of a process and its disk until its messages flow: this suite's own bound.

The design has 60 s for a whole node, 10 s of them to notice it.
"""


class Outside:
    """Firestore's emulator and a bucket server, as processes of a test's own."""

    def __init__(self, directory: Path) -> None:
        self.firestore = Firestore(directory / "firestore")
        self.bucket = Gcs(directory / "bucket")
        self._running = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as running:
            running.enter_context(self.firestore)
            running.enter_context(self.bucket)
            self._running = running.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._running.close()

    @property
    def environment(self) -> dict[str, str]:
        """The environment of all processes of an instance."""
        return {
            "FIRESTORE_EMULATOR_HOST": self.firestore.host,
            "STORAGE_EMULATOR_HOST": self.bucket.url,
            "SESSION_STORAGE_TYPE": "cloud",
            "STORAGE_BUCKET": BUCKET,
            "SESSION_ENCRYPTION_KEY": "5e" * 32,
            "SESSION_BACKUP_INTERVAL": "1000",
        }


def _outside(scene: Scene) -> Outside:
    assert scene.outside is not None, "this instance has its state and sessions at home"
    return scene.outside


def _well(scene: Scene, *reasons: str) -> Callable[[], bool]:
    """Whether the service says none of these of itself."""

    def look() -> bool:
        with suppress(httpx.HTTPError):
            health: dict[str, Any] = scene.instance.api.get("/health").raise_for_status().json()
            return not set(reasons) & set(health["reasons"])
        return False

    return look


def _during(
    fault: Callable[[Outside], AbstractContextManager[None]], *reasons: str
) -> Callable[[Scene, Party], Struck]:
    """A fault that lasts `AWAY` seconds. Recovery counts from its end, until no reason is reported."""

    def strike(scene: Scene, party: Party) -> Struck:
        scene.burst(party)
        at = time.time()
        with fault(_outside(scene)):
            time.sleep(AWAY)
        return Struck(at, _well(scene, *reasons), over=time.time())

    return strike


@contextmanager
def _firestore_away(outside: Outside) -> Iterator[None]:
    outside.firestore.kill()
    try:
        yield
    finally:
        outside.firestore.start()


@contextmanager
def _firestore_still(outside: Outside) -> Iterator[None]:
    os.kill(outside.firestore.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(outside.firestore.pid, signal.SIGCONT)


@contextmanager
def _firestore_strikes(outside: Outside, kind: str, **more: Any) -> Iterator[None]:
    outside.firestore.strike(kind, **more)
    yield
    assert outside.firestore.heal() > 0, f"{kind} never struck"


@contextmanager
def _bucket_away(outside: Outside) -> Iterator[None]:
    outside.bucket.kill()
    try:
        yield
    finally:
        outside.bucket.start()


@contextmanager
def _bucket_still(outside: Outside) -> Iterator[None]:
    outside.bucket.freeze()
    try:
        yield
    finally:
        outside.bucket.thaw()


def _killed_in_a_commit(scene: Scene, party: Party) -> Struck:
    """It dies with half of a batch written."""
    firestore = _outside(scene).firestore
    scene.burst(party)
    firestore.strike("killed")
    assert firestore.wait(AWAY) == -signal.SIGKILL
    at = time.time()
    firestore.start()
    return Struck(at, _well(scene, "store_away"), over=time.time())


def _disk_gone(scene: Scene, party: Party) -> Struck:
    """A process dies, and with it the directory of its session.

    The root stands still meanwhile: who takes over would hold the directory in its hands. Another
    fault may have stopped it for good; then it stays so.
    """
    connection = party.connection
    session = scene.instance.data / "sessions" / scene.incarnation(connection)
    root, owner = holder(scene, "root"), holder(scene, "connection", connection)
    scene.burst(party)
    with nullcontext() if stopped(root) else frozen(root):
        at = killed(owner)
        shutil.rmtree(session)
    assert passes((session / "session.db").exists, RESTORED), "no session is restored"
    return Struck(at, lambda: scene.replaced("connection", owner.pid, connection))


FIRESTORE, BACKUP = ("store_away",), ("vault_away", "backups_behind")
OUTSIDE = (
    Fault(
        "firestore away",
        HEALED,
        _during(_firestore_away, *FIRESTORE),
        "nobody",
        "store_away",
        alone=True,
    ),
    Fault("firestore stands still", HEALED, _during(_firestore_still, *FIRESTORE), "nobody"),
    Fault("firestore killed in a commit", HEALED, _killed_in_a_commit, "nobody"),
    Fault(
        "firestore loses answers",
        HEALED,
        _during(lambda each: _firestore_strikes(each, "lost", methods=["Commit"]), *FIRESTORE),
        "nobody",
    ),
    Fault(
        "firestore is slow",
        HEALED,
        _during(
            lambda each: _firestore_strikes(each, "slow", methods=["Commit"], seconds=0.5),
            *FIRESTORE,
        ),
        "nobody",
    ),
    Fault(
        "firestore over its quota",
        HEALED,
        _during(lambda each: _firestore_strikes(each, "exhausted"), *FIRESTORE),
        "nobody",
        alone=True,
    ),
    Fault("bucket away", HEALED, _during(_bucket_away, *BACKUP), "nobody", "vault_away"),
    Fault("bucket stands still", HEALED, _during(_bucket_still, *BACKUP), "nobody"),
)
DISK = Fault("disk gone", RESTORED, _disk_gone)
