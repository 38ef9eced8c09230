"""Two instances for the faults of this folder: each gets up from all, and a start costs seconds of all cores.

One has all of its stores beside it, the other none. A test that needs other settings starts its own.
"""

from __future__ import annotations

import os
import struct
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.chaos.harness.scene import SETTINGS
from tests.processes.firestore import Firestore
from tests.processes.instance import Instance

if TYPE_CHECKING:
    from collections.abc import Iterator

CONNECTION, ACCOUNT = "shop", "15550100001"

MEMORY = 400
"""Megabytes that a process may hold."""

BACKOFF = 5.0
"""Seconds that the first backoff of a message lasts at most."""

DISK = "768m"
"""The size of the disk of sessions and files: room for files beyond DISK_RESERVE."""


@pytest.fixture(scope="package")
def disk() -> Iterator[Path | str]:
    """A small disk, or why there is none."""
    if os.geteuid() != 0:
        yield "mounting a small tmpfs needs root"
        return
    # Not where pytest keeps its directories: it would trip over one that is still mounted.
    place = Path(tempfile.mkdtemp(prefix="tmo-disk-"))
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK},mode=700", "tmpfs", str(place)]
    mounted = subprocess.run(mount, check=False, capture_output=True, text=True)
    try:
        yield f"mounting a small tmpfs: {mounted.stderr.strip()}" if mounted.returncode else place
    finally:
        if not mounted.returncode:
            subprocess.run(["umount", "-l", place], check=True)
        place.rmdir()


@pytest.fixture(scope="package")
def running(disk: Path | str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """With a connection that is open; its clock and its memory can be set from outside."""
    data = tmp_path_factory.mktemp("running")
    if isinstance(disk, Path):
        for name in ("sessions", "media"):
            (disk / name).mkdir(mode=0o700)
            (data / name).symlink_to(disk / name)
    clock = tmp_path_factory.mktemp("clock") / "offset"
    clock.write_bytes(struct.pack("d", 0.0))
    environment = {
        **SETTINGS,
        "PYTHONPATH": str(Path(__file__).with_name("overlay")),
        "TEST_CLOCK": str(clock),
        "TEST_SWELLING": str(tmp_path_factory.mktemp("swelling")),
        "MAX_MEMORY_RESTART": f"{MEMORY}M",
        "MIN_UPTIME": "1000",
        "RESTART_BACKOFF_CAP": "1000",
        "RETRY_BACKOFF_BASE": str(int(BACKOFF * 1000)),
    }
    with Instance(data, environment) as instance:
        instance.pair(CONNECTION, ACCOUNT)
        yield instance


@pytest.fixture
def instance(running: Instance) -> Iterator[Instance]:
    """Each test finds it ready and leaves it so, with no other connection."""
    running.ready(60)
    yield running
    running.answered()
    for other in running.api.get("/api/connections").raise_for_status().json()["items"]:
        if other["id"] != CONNECTION:
            running.api.delete(f"/api/connections/{other['id']}").raise_for_status()
    running.ready(60)


@pytest.fixture(scope="package")
def firestore(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Firestore]:
    with Firestore(tmp_path_factory.mktemp("firestore")) as server:
        yield server


@pytest.fixture(scope="package")
def elsewhere(firestore: Firestore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """On an emulator of Firestore and with a bucket, with a connection that is open."""
    place = tmp_path_factory.mktemp("elsewhere")
    environment = {
        "FIRESTORE_EMULATOR_HOST": firestore.host,
        "STORAGE_BUCKET": str(place / "bucket"),
        "SESSION_ENCRYPTION_KEY": "5" * 64,
        "SESSION_BACKUP_INTERVAL": "2000",
        "HEALTH_CHECK_INTERVAL": "1000",
        "CPU_THRESHOLD": "100",
        "MEMORY_THRESHOLD": "100",
        "WEBHOOK_URL_PRIVATE": "true",
    }
    with Instance(place / "data", environment) as instance:
        instance.pair(CONNECTION, ACCOUNT)
        yield instance
