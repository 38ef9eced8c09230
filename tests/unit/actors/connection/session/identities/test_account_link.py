"""The time at which an account was linked first: on disk, for good."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from actors.connection.session.identities import account_link
from actors.connection.session.session import Session
from tests.unit.actors.connection.sessions import DAY, prune

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.unit.actors.connection.sessions import Clock


async def test_the_first_link_counts_also_after_a_logout(
    session: Session, clock: Clock, path: Path
) -> None:
    assert [session.account_link.first_at] == [None]
    linked = clock.now
    async with session.transaction():
        session.account_link.note()
        assert session.account_link.first_at == linked
    clock.now += 100
    async with session.transaction():
        session.forget_account()
        session.account_link.note()
    assert session.account_link.first_at == linked
    session.close()
    with closing(Session.open(path, 9, clock=clock)) as again:
        assert again.account_link.first_at == linked


class Clocks:
    """The system's clock, which somebody may set, and two that nobody can: a suspended machine stops the monotonic one."""

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._path = path
        self.system, self.since_boot, self.monotonic = 1_800_000_000.0, 900.0, 500.0
        clock = SimpleNamespace(
            CLOCK_BOOTTIME=time.CLOCK_BOOTTIME,
            CLOCK_MONOTONIC=time.CLOCK_MONOTONIC,
            clock_gettime=lambda clock: {
                time.CLOCK_BOOTTIME: self.since_boot,
                time.CLOCK_MONOTONIC: self.monotonic,
            }[clock],
            monotonic=lambda: self.monotonic,
        )
        monkeypatch.setattr(account_link, "time", clock)
        self.session = Session.open(path, 1, clock=lambda: self.system)

    def pass_(self, seconds: float) -> None:
        self.suspend(seconds)
        self.monotonic += seconds

    def suspend(self, seconds: float) -> None:
        self.system += seconds
        self.since_boot += seconds

    def restart(self, *, off_for: float = 0.0, set_by: float = 0.0) -> None:
        """End the process; another one opens the file later, by a clock that was set meanwhile."""
        self.session.close()
        self.system += off_for + set_by
        self.since_boot, self.monotonic = 9.0, 7.0  # of a machine that was started anew
        self.session = Session.open(self._path, 1, clock=lambda: self.system)

    async def log_in(self) -> None:
        await prune(self.session)

    @property
    def age(self) -> float:
        """Days since the link, as the pacing counts them."""
        linked_at = self.session.account_link.first_at
        assert linked_at
        return round(max(0.0, self.system - linked_at) / DAY, 3)


@pytest.fixture
async def clocks(path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Clocks]:
    """A session whose account was linked just now."""
    found = Clocks(path, monkeypatch)
    async with found.session.transaction():
        found.session.account_link.note()
    yield found
    found.session.close()


YEAR = 365 * DAY


async def test_an_account_ages_while_its_clock_is_right(clocks: Clocks) -> None:
    clocks.pass_(2 * DAY)
    await clocks.log_in()
    clocks.restart(off_for=3 * DAY)
    assert clocks.age == 5
    linked_at = clocks.session.account_link.first_at
    assert linked_at == 1_800_000_000.0


async def test_an_account_ages_while_the_machine_is_suspended(clocks: Clocks) -> None:
    clocks.pass_(DAY)
    clocks.suspend(2 * DAY)
    assert clocks.age == 3
    await clocks.log_in()
    clocks.restart()
    assert clocks.age == 3


@pytest.mark.parametrize("back", [YEAR, 50 * YEAR])
async def test_a_clock_that_was_ahead_at_the_link_and_is_set_right(
    clocks: Clocks, back: float
) -> None:
    clocks.pass_(DAY)
    clocks.system -= back
    assert clocks.age == 1
    clocks.pass_(2 * DAY)
    assert clocks.age == 3
    await clocks.log_in()
    clocks.restart(off_for=DAY)
    assert clocks.age == 3, "a day without a clock that is right counts as none"
    clocks.pass_(2 * DAY)
    assert clocks.age == 5
    await clocks.log_in()
    clocks.restart(set_by=-DAY)
    assert clocks.age == 5


async def test_a_clock_that_was_ahead_in_another_process(path: Path, clocks: Clocks) -> None:
    """Also in a file that has the time of the link alone."""
    clocks.session.close()
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE file SET clock_at = NULL")
    clocks.restart(set_by=-YEAR)
    assert clocks.age == 0
    clocks.pass_(4 * DAY)
    assert clocks.age == 4


async def test_a_clock_that_is_behind_for_a_while_makes_no_account_older(clocks: Clocks) -> None:
    clocks.pass_(DAY)
    await clocks.log_in()
    clocks.system -= 6 * YEAR
    assert clocks.age == 1
    await clocks.log_in()
    clocks.restart()
    assert clocks.age == 1
    await clocks.log_in()
    clocks.system += 6 * YEAR
    assert clocks.age == 1, "set right while it runs"
    clocks.system -= 6 * YEAR
    clocks.restart(set_by=6 * YEAR)
    assert clocks.age == 1, "and between two processes"


async def test_an_account_that_was_linked_while_the_clock_was_behind(clocks: Clocks) -> None:
    """As of a machine without a battery, which gets the time from the network a moment later."""
    clocks.pass_(30)
    clocks.system += 20 * YEAR
    assert clocks.age == 0
    await clocks.log_in()
    clocks.pass_(DAY)
    assert clocks.age == 1
