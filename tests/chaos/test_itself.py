"""The suite checked against itself: with a promise broken, a test fails that says so.

Each break is a small patch to a copy of the tree; the product has no switch for it. The named test
passes in the copy as it is, and fails in the patched one by what it asserts, not by an error.
`README.md` beside this file has the list for a person.
"""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from tests.processes import forked
from tests.processes.forked import Nursery

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

pytestmark = pytest.mark.timeout(120)

ROOT = Path(__file__).resolve().parents[2]
COPIED = ("actors", "gateway", "supervision", "simulator", "tests", "pyproject.toml")


@dataclass(frozen=True)
class Break:
    """A removed guarantee, its place, and the test that has to fail."""

    name: str
    file: str
    old: str
    new: str
    test: str


BREAKS = (
    Break(
        "fdatasync of a session left out",
        "actors/connection/session/file.py",
        "PRAGMA synchronous=FULL",
        "PRAGMA synchronous=OFF",
        "tests/integration/test_synced.py::test_what_was_answered_is_on_disk[session.db]",
    ),
    Break(
        "fdatasync of the state store left out",
        "actors/runtime/sqlite_writer.py",
        "PRAGMA synchronous = FULL",
        "PRAGMA synchronous = NORMAL",
        "tests/integration/test_synced.py::test_what_was_answered_is_on_disk[state.db]",
    ),
    Break(
        "files kept beyond the reserve of the disk",
        "actors/media/directory.py",
        "if writes and room_for_files(self._descriptor, self._reserve) < len(data):",
        "if False:",
        "tests/unit/actors/media/test_directory.py::test_the_reserve_of_the_disk_is_left_to_others",
    ),
    Break(
        "fdatasync of Valkey left to the kernel",
        "supervision/keeper/parts/valkey.py",
        "appendfsync always",
        "appendfsync everysec",
        "tests/integration/test_synced.py::test_the_keepers_own_valkey_syncs_before_it_answers",
    ),
    Break(
        "the ack sent before the commit",
        "actors/connection/protocol/receive/stanza_receiver.py",
        """            return [
                *[(stanza, await self._take(stanza)) for stanza in batch],
                *((stanza, self._abandon(stanza)) for stanza in overdue),
            ]
""",
        """            outcomes = [
                *[(stanza, await self._take(stanza)) for stanza in batch],
                *((stanza, self._abandon(stanza)) for stanza in overdue),
            ]
            await self._socket.send(*(one for _, out in outcomes for one in out.answers))
            return outcomes
""",
        "tests/unit/actors/connection/protocol/receive/test_stanza_receiver.py::test_answers_follow_the_commit_in_order",
    ),
    Break(
        "the epoch check of the queue removed",
        "actors/redis/flight.lua",
        "return lease[1] == epoch and lease[2] ~= '1'",
        "return true",
        "tests/integration/queue/transitions/test_claim.py::test_g5_claims_of_an_old_epoch_and_without_a_lease_are_refused[once]",
    ),
    Break(
        "the epoch check of a session removed",
        "actors/connection/session/file.py",
        "        if epoch != self.epoch:\n",
        "        if epoch < 0:\n",
        "tests/unit/actors/connection/session/test_file.py::test_a_stale_owner_commits_nothing",
    ),
    Break(
        "the message id minted per attempt",
        "actors/connection/owner/sender.py",
        "SendRequest(job.message_id, job.chat",
        'SendRequest(f"{job.message_id[:-1]}{job.attempts:X}", job.chat',
        "tests/integration/tree/serving/test_sending.py::test_an_engine_that_breaks_loses_nothing",
    ),
    Break(
        "a send that leaves before it is committed",
        "actors/connection/protocol/send/shared_commits.py",
        """                    found.append((made, done))
        for made, done in found:
            if not done.done():
                done.set_result(made)
""",
        """                    found.append((made, done))
            for made, done in found:
                if not done.done():
                    done.set_result(made)
            await asyncio.sleep(0)
""",
        "tests/unit/actors/connection/protocol/send/test_shared_commits.py::test_what_is_not_on_disk_is_not_handed_over",
    ),
    Break(
        "the inbox tombstone left out",
        "actors/connection/session/received/inbox.py",
        """            (kind, *row),
        )
        self._file.write(""",
        """            (kind, *row),
        )
        return
        self._file.write(""",
        "tests/unit/actors/connection/session/received/test_inbox.py::test_a_message_is_there_once",
    ),
    Break(
        "the inbox tombstone left out once the message is stored elsewhere",
        "actors/connection/session/received/inbox.py",
        """            "UPDATE tombstones SET inbox = NULL, at = ?"
            " WHERE inbox IN (SELECT value FROM json_each(?))",
            (self._file.clock(), settled),
""",
        """            "DELETE FROM tombstones WHERE at < ?"
            " AND inbox IN (SELECT value FROM json_each(?))",
            (self._file.clock() + 1, settled),
""",
        "tests/unit/actors/connection/session/received/test_inbox.py::test_settled_messages_leave_a_tombstone_for_30_days",
    ),
    Break(
        "the message id minted per try of an acceptance",
        "gateway/acceptance/send_acceptance.py",
        "                message_id=message_id,\n                idempotency_key",
        "                message_id=mint(),\n                idempotency_key",
        "tests/integration/gateway/acceptance/test_redis_wait.py::test_g3_a_redis_that_hangs_may_have_accepted",
    ),
    Break(
        "an Idempotency-Key that is forgotten within its day",
        "actors/queue/scripts/bytes.lua",
        "'-inf', now - KEPT,",
        "'-inf', now - 0,",
        "tests/integration/queue/transitions/test_accept.py::test_a_key_names_its_message_until_a_day_of_uptime_after_its_end[once]",
    ),
    Break(
        "a send accepted for a connection that is deleted",
        "actors/queue/scripts/accept.lua",
        "if not quiet and call('EXISTS', BASE .. ':deleted') == 1 then",
        "if false then",
        "tests/integration/queue/test_leases.py::test_a_deleted_connection_takes_no_send_however_late[once]",
    ),
    Break(
        "what a dead owner had in flight not queued again",
        "actors/redis/flight.lua",
        "call('HGETALL', FLIGHT), call('HGETALL', AHEAD), {}",
        "{}, {}, {}",
        "tests/integration/queue/test_leases.py::test_g2_g4_a_new_epoch_queues_again_at_the_old_place[once]",
    ),
    Break(
        "the claim not atomic: it looks, and takes in a later step",
        "actors/queue/scripts/claims.lua",
        "call('ZPOPMIN', READY, room - taken)",
        "call('ZRANGE', READY, 0, room - taken - 1, 'WITHSCORES')",
        "tests/integration/queue/transitions/test_claim.py::test_concurrent_claims_hand_out_each_message_once[once]",
    ),
    Break(
        "the claim not atomic: who took it is noted in a later step",
        "actors/queue/scripts/claims.lua",
        "    call('HSET', where, chat, id .. ' ' .. turn)\n",
        "",
        "tests/integration/queue/transitions/test_claim.py::test_a_claim_whose_answer_was_lost_is_handed_out_again[once]",
    ),
)


@dataclass(frozen=True)
class Ran:
    """The outcome of one test of a copy; `failure` is None where it passed."""

    failure: str | None
    output: str


def copy(source: Path, target: Path) -> Path:
    """The packages and the tests in `target`, as they are, with what Python compiled of them.

    Each file is a hard link where the disk has them: who changes one puts another in its place.
    """
    for name in COPIED:
        if (source / name).is_dir():
            shutil.copytree(source / name, target / name, copy_function=_link)
        else:
            _link(source / name, target / name)
    return target


def _link(source: Path | str, target: Path | str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system
        shutil.copy2(source, target)


def run(nursery: Nursery, tree: Path, tests: Iterable[str]) -> dict[str, Ran]:
    """Run these tests of a copy; by test how it ended. Raises AssertionError on anything else."""
    report = tree / "report.xml"
    wanted = list(tests)
    done = forked.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"),
            *("-p", "no:hypothesispytest"),  # which takes longer to load than most of these tests
            *("-o", "junit_family=xunit1", f"--junitxml={report}", *wanted),
        ],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": str(tree)},
        capture_output=True,
        text=True,
        timeout=100,
        nursery=nursery,
    )
    said = done.stdout + done.stderr
    assert done.returncode in (0, 1), said
    found: dict[str, Ran] = {}
    # A test that fails may leave behind what its teardown stumbles on: then it is there twice.
    for case in ET.parse(report).iter("testcase"):
        assert case.find("skipped") is None, f"{case.get('name')} was skipped: it proves nothing"
        name = f"{case.get('file')}::{case.get('name')}"
        failure = case.find("failure")
        if failure is not None:
            found[name] = Ran(failure.get("message"), said)
        assert name in found or case.find("error") is None, said
        found.setdefault(name, Ran(None, said))
    assert set(found) == set(wanted), said
    return found


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    """A process that has imported pytest, and nothing of this tree."""
    made = Nursery()
    yield made
    made.end()


@pytest.fixture(scope="module")
def whole(nursery: Nursery, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy in which every named test passes."""
    tree = copy(ROOT, tmp_path_factory.mktemp("whole"))
    for name, ran in run(nursery, tree, dict.fromkeys(one.test for one in BREAKS)).items():
        assert ran.failure is None, f"{name} fails unbroken: {ran.output}"
    return tree


@pytest.mark.parametrize("broken", BREAKS, ids=lambda one: one.name)
def test_it_is_noticed(nursery: Nursery, whole: Path, tmp_path: Path, broken: Break) -> None:
    tree = copy(whole, tmp_path)
    file = tree / broken.file
    text = file.read_text()
    assert text.count(broken.old) == 1, f"the patch does not apply to {broken.file}"
    file.unlink()
    file.write_text(text.replace(broken.old, broken.new))
    ran = run(nursery, tree, [broken.test])[broken.test]
    assert ran.failure is not None, f"{broken.test} does not notice"
    assert ran.failure.startswith(("AssertionError", "assert ", "Failed: DID NOT RAISE")), (
        ran.output
    )
