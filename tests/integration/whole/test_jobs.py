"""Jobs as Ray runs them, on a living head: submitted, followed, and their end told as it was."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.whole.shop import SHOP, arrived, becomes, refused, send
from tests.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.instance import Instance

pytestmark = pytest.mark.usefixtures("is_open")


def submit(instance: Instance, *words: str, status: int = 0) -> dict[str, Any]:
    """The last line that the job wrote."""
    done = instance.teimoso("jobs", "run", *words)
    assert done.returncode == status, done.stdout + done.stderr
    said = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"job"')]
    assert said, done.stdout
    return dict(said[-1])


def test_a_connection_that_was_given_up_is_recovered_by_a_job(instance: Instance) -> None:
    refused(instance, 403)
    becomes(instance, "failed", "banned")
    instance.simulator.delete("/faults")
    begun = time.time()
    done = instance.teimoso("jobs", "run", "--json", "recover-connection", SHOP)
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert told["result"] == {"connections": 1, "asked": [SHOP]}
    assert (told["status"], told["dry_run"]) == ("SUCCEEDED", False)
    becomes(instance, "open", None)
    listed = instance.teimoso("jobs", "list", "--json")
    job = json.loads(listed.stdout)["items"][0]
    assert (job["id"], job["status"]) == (told["id"], "SUCCEEDED")
    assert job["job"] == "recover-connection"
    assert begun - 1 < job["started_at"] <= job["ended_at"] < time.time() + 1


@pytest.mark.long
@pytest.mark.timeout(300)
def test_each_job_runs_on_the_head(instance: Instance, tmp_path: Path) -> None:
    identity = send(instance, "kept for whoever exports")
    until("it arrived", lambda: arrived(instance, "kept for whoever exports") or None, 20)
    until("it is stored", lambda: instance.messages(connection=SHOP) or None, 20)
    file, copies = tmp_path / "shop.jsonl", tmp_path / "copies"
    runs = {
        ("export-connection", SHOP, "--to", str(file)): 0,
        ("backup-redis", "--to", str(copies)): 0,
        ("redrive", "--dry-run"): 0,
        ("prune-messages", "--days", "30"): 0,
        # This instance has no bucket, and Ray tells that the job failed.
        ("verify-backups",): 1,
        ("rewrap-keys",): 1,
    }
    with ThreadPoolExecutor(3) as pool:
        said = {
            words[0]: pool.submit(submit, instance, *words, status=status)
            for words, status in runs.items()
        }
    ended = {job: running.result() for job, running in said.items()}
    lines = file.read_text().splitlines()
    assert ended["export-connection"]["result"]["messages"] == len(lines) - 1
    assert any(json.loads(line).get("message_id") == identity.partition(".")[2] for line in lines)
    (copy,) = copies.iterdir()
    assert ended["backup-redis"]["result"]["bytes"] == copy.stat().st_size > 0
    assert ended["redrive"]["result"] == {"letters": 0}
    assert ended["prune-messages"]["result"] == {"removed": 0}
    assert ended["verify-backups"]["code"] == ended["rewrap-keys"]["code"] == "no_bucket"
    listed = instance.teimoso("jobs", "list")
    assert listed.returncode == 0
    assert all(words[0] in listed.stdout for words in runs)
    items = json.loads(instance.teimoso("jobs", "list", "--json").stdout)["items"]
    begun = [one["started_at"] for one in items]
    assert begun == sorted(begun, reverse=True), "the newest first"
    failed = instance.teimoso("jobs", "run", "--json", "verify-backups")
    told = json.loads(failed.stdout)
    assert (failed.returncode, told["status"], told["code"]) == (1, "FAILED", "no_bucket")


def test_what_is_no_job_is_refused(instance: Instance) -> None:
    done = instance.teimoso("jobs", "run", "dance")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("'dance' is no job; redrive, rewrap-keys,")
