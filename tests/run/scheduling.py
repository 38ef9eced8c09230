"""Divides a run into several processes: most tests wait, but whole instances use the machine."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from xdist.scheduler import LoadScopeScheduling

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pytest

LINES = (
    (
        "tests/chaos/stores/test_firestore.py",
        "tests/chaos/test_metrics.py",
        "tests/integration/whole/",
        "tests/integration/jobs/test_head.py",
        "tests/integration/test_distributions.py",
    ),
    (
        "tests/chaos/test_storm.py",
        "tests/chaos/",
        "tests/chaos/test_keeper.py",
        "tests/integration/keeper/",
        "tests/integration/tree/",
        "tests/integration/backup/",
    ),
)
"""Files that start whole instances. Of each line one test runs at a time: a bound on a recovery is kept
or not by the service, not by another instance that is being killed beside it. A file has the place of
the longest name that it begins with: one with an instance of its own comes before those that share
one, which would idle meanwhile, and one that stops what is shared behind them."""

APART = (
    "tests/chaos/test_itself.py",
    "tests/chaos/test_judge.py",
    "tests/integration/keeper/test_full_disk.py",
    "tests/integration/keeper/test_refused_starts.py",
    "tests/integration/tree/serving/",
)
"""Files and folders in there that start none: they mostly wait, beside anything."""

SCENARIOS = ("tests/conformance/accounts/", "tests/conformance/messages/")
"""Folders that share a simulator and a client of each kind, which a process starts once: each folder
is run by one process."""

LAST = "tests/unit/"
"""Files of seconds, which fill what is left at the end."""


class Scheduling(LoadScopeScheduling):
    """A file is run by one process, in its order; a line of files, too, and lines begin first."""

    def schedule(self) -> None:
        self.config.option.loadscopereorder = False  # it would begin with what has most tests
        super().schedule()

    def _split_scope(self, nodeid: str) -> str:
        return scope(nodeid)


def scope(nodeid: str) -> str:
    """Returns the name of the tests that one process runs together with this one."""
    file = nodeid.partition("::")[0]
    for line in LINES:
        if file.startswith(line) and not file.startswith(APART):
            return " ".join(line)
    return next((folder for folder in SCENARIOS if file.startswith(folder)), file)


def rank(nodeid: str) -> tuple[int, int]:
    """Its place among the tests; those of the same rank stay as they were collected."""
    file = nodeid.partition("::")[0]
    for number, line in enumerate(LINES):
        if file.startswith(line) and not file.startswith(APART):
            named = [each for each in line if file.startswith(each)]
            return number, line.index(max(named, key=len))
    return len(LINES) + file.startswith(LAST), 0


def shares(reports: Iterable[pytest.TestReport]) -> list[str]:
    """Returns the seconds of each process and each line; nothing of a run in one process.

    A process that ends long before the last one, while a line goes on, says what to divide anew.
    """
    busy: dict[str, float] = defaultdict(float)
    ended: dict[str, float] = {}
    lines: dict[str, float] = defaultdict(float)
    for report in reports:
        if (process := getattr(report, "worker_id", None)) is None:
            continue
        busy[process] += report.duration
        ended[process] = max(ended.get(process, 0.0), report.stop)
        if (what := scope(report.nodeid)) != report.nodeid.partition("::")[0]:
            lines[what] += report.duration
    last = max(ended.values(), default=0.0)
    return [
        *(f"{one}: {busy[one]:.0f} s, idle for the last {last - ended[one]:.0f}" for one in ended),
        *(f"{what}: {seconds:.0f} s" for what, seconds in lines.items()),
    ]
