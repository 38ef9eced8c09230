"""A job as Ray runs it, on a living head; `test_head.py` submits each of them."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

from tests.integration.whole.shop import SHOP, becomes, refused

if TYPE_CHECKING:
    from tests.processes.instance import Instance

pytestmark = pytest.mark.usefixtures("is_open")


def test_a_connection_that_was_given_up_is_recovered_by_a_job(instance: Instance) -> None:
    refused(instance, 403)
    becomes(instance, "failed", "locked")
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


def test_a_job_prints_its_own_words_alone(instance: Instance) -> None:
    done = instance.teimoso("jobs", "run", "recover-connection", SHOP)
    assert (done.returncode, done.stderr) == (0, "")
    identity, *lines = done.stdout.splitlines()
    listed = json.loads(instance.teimoso("jobs", "list", "--json").stdout)["items"]
    assert identity == listed[0]["id"]
    assert lines[-1] == "done: connections 1, asked none"
    failed = instance.teimoso("jobs", "run", "recover-connection", "nobody")
    assert (failed.returncode, len(failed.stdout.splitlines())) == (1, 1)
    assert failed.stderr == "There is no connection 'nobody'.\n"
    asked = instance.teimoso("jobs", "run", "prune-messages", "--days", "30")
    assert (asked.returncode, asked.stdout) == (1, "")
    assert asked.stderr.endswith("Nothing was done: --yes does it.\n")


def test_what_is_no_job_is_refused(instance: Instance) -> None:
    done = instance.teimoso("jobs", "run", "dance")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("'dance' is no job; redrive, rewrap-keys,")
