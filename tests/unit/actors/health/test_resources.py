"""CPU and memory of the machine and of this instance's processes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from actors.config.settings import Settings
from actors.health.resources import Resources, left, started, trees
from actors.runtime.limits.limit_uses import LimitUse
from actors.state.connections import Connections
from actors.state.sqlite.store import SqliteDocuments
from actors.state.tenants.store_floor import StoreFloor


@pytest.mark.parametrize(
    ("content", "pids"),
    [
        ('[{"role": "valkey", "pid": 7, "started": 1.5}]', [7]),
        ('{"processes": [{"role": "ray", "pid": 8}, {"role": "x", "pid": null}, 3]}', [8]),
        ('{"processes": ', []),  # half written
        ("", []),
        ("[]", []),
    ],
)
def test_the_pids_of_the_keepers_file(tmp_path: Path, content: str, pids: list[int]) -> None:
    (tmp_path / "processes.json").write_text(content)
    assert started(tmp_path / "processes.json") == pids
    assert started(tmp_path / "missing.json") == []


def test_the_tree_of_an_instance_and_what_it_uses(tmp_path: Path) -> None:
    busy = "import time\nend = time.time() + 30\nwhile time.time() < end: pass"
    child = subprocess.Popen([sys.executable, "-c", busy])
    try:
        resources = Resources(tmp_path, (), lambda: None)
        (tmp_path / "processes.json").write_text(json.dumps([{"pid": child.pid}]))
        assert {os.getpid(), child.pid} <= {each.pid for each in trees([os.getpid(), child.pid])}
        first = resources.measure()
        with pytest.raises(subprocess.TimeoutExpired):
            child.wait(0.5)
        later = resources.measure(owners=[child.pid, 2**22 + 1])  # the latter is nobody
        assert first.processes >= 2
        assert later.own_memory > 5_000_000
        assert 0 < later.own_cpu <= 100
        assert 0 <= later.cpu <= 100
        assert 0 < later.memory <= 100
    finally:
        child.kill()
        child.wait()


def test_the_fullest_disk_counts(tmp_path: Path) -> None:
    yet_to_come = tmp_path / "sessions" / "shop"
    here, elsewhere = shutil.disk_usage(tmp_path).free, Path("/proc/self")
    assert left([yet_to_come]) == pytest.approx(here, rel=0.2)
    (tmp_path / "away").symlink_to(elsewhere)
    assert left([yet_to_come, tmp_path / "away"]) == shutil.disk_usage(elsewhere).free == 0
    assert left([]) is None


def test_the_machine_is_measured_from_whatever_thread(tmp_path: Path) -> None:
    resources = Resources(tmp_path, (), lambda: None)
    found = []
    for _ in range(2):
        until = time.monotonic() + 0.2
        while time.monotonic() < until:
            pass
        looking = threading.Thread(target=lambda: found.append(resources.measure().cpu))
        looking.start()
        looking.join()
    assert all(0 < cpu <= 100 for cpu in found), found


async def test_the_uses_of_limits_of_the_state_store_and_of_files(tmp_path: Path) -> None:
    settings = Settings.model_validate({"STORED_BYTES_PER_CONNECTION": 10_000})
    settings = settings.model_copy(update={"data": tmp_path})
    settings.save()
    store = SqliteDocuments(tmp_path / "state.db")
    try:
        await Connections(store).create("shop", id="shop--T00000000000")
    finally:
        await store.close()
    files = LimitUse("files_full", "MEDIA_LIMIT", 9, 10)
    found: list[tuple[LimitUse, ...] | None] = [(files,), None]
    resources = Resources(
        tmp_path, (), lambda: None, StoreFloor.of(settings), files=lambda: found.pop(0)
    )
    usage = resources.measure()
    assert usage.limits == (
        LimitUse("store_full", "STORED_BYTES_PER_CONNECTION", 0, 10_000, "shop--T00000000000"),
        files,
    )
    assert usage.unread == frozenset()
    (tmp_path / "state.db").unlink()
    blind = resources.measure()
    assert blind.limits == ()
    assert blind.unread == {"store_full", "files_full"}
