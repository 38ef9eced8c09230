"""Hooks and fixtures of all tests: division of a run, its end on a signal, the figures that it prints."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import psutil
import pytest
import structlog

from actors.runtime import logs
from tests.run import answers, leaks, restarts
from tests.run.rings import is_second
from tests.run.scheduling import Scheduling, rank, shares
from tests.run.silences import SILENCES, WatchedLoops

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from tests.run.figures import Figure

FIGURE = "figure"
LITTER = 20_000, 20, 20
"""New objects for which the collector of garbage waits: each look is at all that a test made."""
WORKER = "import sys;exec(eval(sys.stdin.readline()))"
"""The command by which xdist starts a process of a run."""


def pytest_configure() -> None:
    """Has a run that gets a signal clean up like one that is interrupted.

    Both signals have a handler, so that programs begun here heed them, also where this run is in the
    background of a shell that has it ignore interrupts.
    """
    leaks.listen()
    asyncio.set_event_loop_policy(
        WatchedLoops()
    )  # as Ray's for actors, and what serves HTTP for itself
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:
        # This run goes on without its terminal; programs begun here heed a hangup all the same.
        signal.signal(signal.SIGHUP, lambda *_: None)


def pytest_keyboard_interrupt() -> None:
    """Have the processes of this run end what they started: xdist kills them after ten seconds."""
    workers = []
    for each in psutil.Process().children():
        with suppress(psutil.Error):  # it has ended already
            if WORKER in each.cmdline():
                each.send_signal(signal.SIGINT)
                workers.append(each)
    psutil.wait_procs(workers, timeout=90)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(exitstatus: int) -> Generator[None]:
    yield
    if exitstatus == pytest.ExitCode.INTERRUPTED and "PYTEST_XDIST_WORKER" in os.environ:
        os._exit(exitstatus)  # all is torn down; xdist would have it wait for what never comes


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Thousands of tests come to stay: the collector of garbage looks at them neither now nor later."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(*LITTER)
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: rank(item.nodeid))
    for item in items:
        if is_second(item.nodeid):
            item.add_marker("second")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduling:
    return Scheduling(config, log)


@pytest.fixture(scope="session", autouse=True)
def _nothing_leaked_at_last(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Searches the logs of processes that several files share, and lines of the last ends."""
    yield
    answers.CHECK.close()
    leaks.SEARCH.last(tmp_path_factory.getbasetemp())
    _require_clean_logs()


@pytest.fixture(scope="module", autouse=True)
def _nothing_leaked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No log of what this file started has a phone number or a message's text (G10), or a loop that was held."""
    yield
    # Objects that reports and modules keep would make a collection amid a later test hold its loop for long.
    gc.collect()
    gc.freeze()
    leaks.SEARCH.new(tmp_path_factory.getbasetemp())
    _require_clean_logs()


@pytest.fixture(autouse=True)
def _loop_never_held(request: pytest.FixtureRequest) -> Iterator[None]:
    """No code of the product computes for long on an event loop, or blocks it, unless the test names the reason."""
    with SILENCES.test(excused=request.node.get_closest_marker("holds_loop") is not None):
        yield


@pytest.fixture(autouse=True)
def _everything_answered(request: pytest.FixtureRequest) -> Iterator[None]:
    """Each stanza that a client was given was answered, but for those that the test names."""
    yield
    mark = request.node.get_closest_marker("leaves_unanswered")
    wrong = answers.judged(answers.CHECK.taken(), () if mark is None else mark.args)
    assert not wrong, "\n".join(wrong)


def _require_clean_logs() -> None:
    wrong = [*leaks.SEARCH.taken(), *SILENCES.taken()]
    assert not wrong, "\n".join(wrong[:20])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test that logged in its own process what no log may have has failed."""
    item.user_properties += restarts.taken()
    report = yield
    if report.passed and (leaked := leaks.captured(report.sections)):
        report.outcome = "failed"
        report.longrepr = "\n".join(leaked[:20])
    return report


@pytest.fixture
def logs_as_before() -> Iterator[None]:
    """For what says in this process where logs go: the next test's go where they went before."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)
    logs._files.close()


@pytest.fixture
def no_log_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """For an actor in this process: it sends the logs of its whole process to a file."""
    monkeypatch.setattr("actors.runtime.actor_base.log_to", lambda *_: None)


@pytest.fixture
def figure(record_property: Callable[[str, object], None]) -> Figure:
    """Stores a line with a figure for the end of the run, in each process of it."""

    def keep(text: str) -> None:
        record_property(FIGURE, text)

    return keep


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")]
    figures = [
        text
        for report in reports
        if report.when == "call"
        for name, text in report.user_properties
        if name == FIGURE
    ]
    if figures:
        terminalreporter.section("figures")
        for text in figures:
            terminalreporter.line(f"  {text}")
    stats = terminalreporter.stats.values()
    ran = [each for kind in stats for each in kind if isinstance(each, pytest.TestReport)]
    for title, texts in (("restarts", restarts.lines(ran)), ("processes", shares(ran))):
        if texts:
            terminalreporter.section(title)
            for text in texts:
                terminalreporter.line(f"  {text}")
