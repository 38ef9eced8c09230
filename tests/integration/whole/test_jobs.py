"""Jobs as Ray runs them, on a living head: submitted, followed, and their end told as it was."""

from __future__ import annotations

import json
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
    assert submit(instance, "recover-connection", SHOP)["result"] == {
        "connections": 1,
        "asked": [SHOP],
    }
    becomes(instance, "open", None)


@pytest.mark.long
def test_each_job_runs_on_the_head(instance: Instance, tmp_path: Path) -> None:
    identity = send(instance, "kept for whoever exports")
    until("it arrived", lambda: arrived(instance, "kept for whoever exports") or None, 20)
    until("it is stored", lambda: instance.messages(connection=SHOP) or None, 20)
    exported = submit(instance, "export-connection", SHOP, "--to", str(tmp_path / "shop.jsonl"))
    lines = (tmp_path / "shop.jsonl").read_text().splitlines()
    assert exported["result"]["messages"] == len(lines) - 1
    assert any(json.loads(line).get("message_id") == identity.partition(".")[2] for line in lines)

    copied = submit(instance, "backup-redis", "--to", str(tmp_path / "copies"))["result"]
    assert (tmp_path / "copies").exists()
    assert copied["bytes"] > 100
    assert submit(instance, "redrive", "--dry-run")["result"] == {"letters": 0}
    assert submit(instance, "redrive")["result"] == {"letters": 0}
    assert submit(instance, "prune-messages", "--days", "30")["result"] == {"removed": 0}
    for job in ("verify-backups", "rewrap-keys"):
        # This instance has no bucket, and Ray tells that the job failed.
        assert submit(instance, job, status=1)["code"] == "no_bucket"
    listed = instance.teimoso("jobs", "list")
    assert listed.returncode == 0
    assert listed.stdout.count("supervision.jobs") >= 8


def test_what_is_no_job_is_refused(instance: Instance) -> None:
    done = instance.teimoso("jobs", "run", "dance")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("'dance' is no job; redrive, rewrap-keys,")
