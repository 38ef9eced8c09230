"""Each job submitted to a living head: it is followed, does its work, and its end is reported as it was."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from supervision.jobs import JOB_MODULES
from tests.processes.instance import Instance
from tests.waits import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]
SHOP, ACCOUNT, CONTACT, NOBODY = "shop", "15550100001", "15550100002", "15550100009"


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[Instance]:
    """With a bucket, a message that arrived, and a dead letter."""
    settings = {"STORAGE_BUCKET": str(tmp_path / "bucket"), "SESSION_ENCRYPTION_KEY": "5e" * 32}
    with Instance(tmp_path / "data", settings) as running:
        running.pair(SHOP, ACCOUNT)
        exists(running, there=False)
        for to, status in ((CONTACT, "read"), (NOBODY, "dead")):
            body = {"connection": SHOP, "to": to, "text": f"for {to}"}
            message = running.api.post("/api/messages", json=body).json()["id"]
            until(f"it is {status}", partial(stands, running, message, status), 30)
        yield running


def exists(instance: Instance, *, there: bool) -> None:
    body = {"registered": there}
    instance.simulator.post(f"/contacts/{NOBODY}", json=body).raise_for_status()


def stands(instance: Instance, message: str, status: str) -> bool:
    found = [one["status"] for one in instance.messages() if one["id"] == message]
    return found == [status]


def submit(instance: Instance, *words: str) -> dict[str, Any]:
    """Returns the report of `teimoso jobs run` at its end; `progress` has the lines on the way."""
    done = instance.teimoso("jobs", "run", "--json", *words)
    told: dict[str, Any] = json.loads(done.stdout)
    assert (done.returncode == 0) == (told["status"] == "SUCCEEDED"), done.stderr
    return told


def test_each_job_does_what_it_is_for(instance: Instance, tmp_path: Path) -> None:
    file, copies = tmp_path / "shop.jsonl", tmp_path / "copies"
    exists(instance, there=True)
    runs = {
        "redrive": (),
        "rewrap-keys": (),
        "verify-backups": (),
        "prune-messages": ("--days", "30", "--yes"),
        "export-connection": (SHOP, "--to", str(file)),
        "recover-connection": (SHOP,),
        "backup-redis": ("--to", str(copies)),
    }
    assert set(runs) == set(JOB_MODULES)
    with ThreadPoolExecutor(3) as pool:
        said = {job: pool.submit(submit, instance, job, *words) for job, words in runs.items()}
    told = {job: running.result() for job, running in said.items()}
    assert {one["status"] for one in told.values()} == {"SUCCEEDED"}
    results = {job: one["result"] for job, one in told.items()}
    assert results["redrive"] == {"letters": 1}
    texts = partial(instance.inbox, NOBODY)
    until("it was sent again", lambda: [one["text"] for one in texts()] == [f"for {NOBODY}"], 30)
    assert results["verify-backups"]["copies"] > 0
    assert results["verify-backups"]["damaged"] == 0
    assert results["rewrap-keys"]["rewrapped"] == 0
    assert results["prune-messages"] == {"removed": 0}
    lines = file.read_text().splitlines()
    assert results["export-connection"]["messages"] == len(lines) - 1 >= 2
    assert results["recover-connection"] == {"connections": 1, "asked": []}
    (copy,) = copies.iterdir()
    assert results["backup-redis"]["bytes"] == copy.stat().st_size > 0

    listed = json.loads(instance.teimoso("jobs", "list", "--json").stdout)["items"]
    assert sorted(one["job"] for one in listed) == sorted(JOB_MODULES)
    begun = [one["started_at"] for one in listed]
    assert begun == sorted(begun, reverse=True), "the newest first"
    refused = submit(instance, "export-connection", "nobody")
    assert (refused["status"], refused["code"]) == ("FAILED", "unknown_connection")
