"""A job as Ray runs it, on a living head; `test_head.py` submits each of them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.integration.whole.shop import SHOP, becomes, refused

if TYPE_CHECKING:
    from tests.instance import Instance

pytestmark = pytest.mark.usefixtures("is_open")


def test_a_connection_that_was_given_up_is_recovered_by_a_job(instance: Instance) -> None:
    refused(instance, 403)
    becomes(instance, "failed", "banned")
    instance.simulator.delete("/faults")
    done = instance.teimoso("jobs", "run", "--json", "recover-connection", SHOP)
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert told["result"] == {"connections": 1, "asked": [SHOP]}
    assert (told["status"], told["dry_run"]) == ("SUCCEEDED", False)
    becomes(instance, "open", None)
    listed = instance.teimoso("jobs", "list", "--json")
    [job] = [one for one in json.loads(listed.stdout)["items"] if one["id"] == told["id"]]
    assert (job["status"], job["job"]) == ("SUCCEEDED", "recover-connection")
    assert job["ended_at"] >= job["started_at"] > 1_600_000_000


def test_what_is_no_job_is_refused(instance: Instance) -> None:
    done = instance.teimoso("jobs", "run", "dance")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("'dance' is no job; redrive, rewrap-keys,")
