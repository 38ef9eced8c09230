"""A file is fetched where the disk and the day's budgets have room for it, and waits otherwise."""

from __future__ import annotations

from dataclasses import replace

import pytest

from actors.connection.protocol.media.download_admission import (
    SPREAD,
    Bounds,
    DeferredFiles,
    Left,
    NotYet,
    admit,
    without_room,
)
from actors.connection.session.files.pending_downloads import LONGEST_WAIT, Transfer
from actors.messages.file_deferral import Deferral
from actors.runtime.limits.durations import DAY

NOW = 20_000 * DAY + 100.0
ALICE, BOB = "15550100002@s.whatsapp.net", "15550100003@s.whatsapp.net"
FILE = Transfer(ALICE, ALICE, "A", False, "image", b"k" * 32, "/p", b"h" * 32, b"s" * 32, 50)
BOUNDS = Bounds(largest=100, connection=200, sender=120)
FREE = Left(room=1000, part=1000, received=0, from_sender=0)


def asked(left: Left, *fetched: Transfer, file: Transfer = FILE, bounds: Bounds = BOUNDS) -> object:
    return admit(file, fetched, bounds, left, now=NOW, chance=0.5)


@pytest.mark.parametrize(
    ("left", "reason", "rest", "sender"),
    [
        (replace(FREE, room=50), None, 0, None),
        (replace(FREE, room=49), Deferral.DISK, 49, None),
        (replace(FREE, part=50), None, 0, None),
        (replace(FREE, part=49), Deferral.PART, 49, None),
        (replace(FREE, received=150), None, 0, None),
        (replace(FREE, received=151), Deferral.CONNECTION, 49, None),
        (replace(FREE, received=999), Deferral.CONNECTION, 0, None),
        (replace(FREE, from_sender=70), None, 0, None),
        (replace(FREE, from_sender=71), Deferral.SENDER, 49, ALICE),
        (Left(0, 0, 999, 999), Deferral.DISK, 0, None),
    ],
)
def test_each_bound_refuses_what_is_above_it(
    left: Left, reason: Deferral | None, rest: int, sender: str | None
) -> None:
    found = asked(left)
    if reason is None:
        assert found is None
    else:
        assert isinstance(found, DeferredFiles)
        assert (found.reason, found.left, found.sender) == (reason, rest, sender)


def test_what_is_being_fetched_counts_while_it_is() -> None:
    """Files that would not fit beside one another go one after the other, and none is deferred."""
    theirs = replace(FILE, message_id="B", sender=BOB, size=80)
    mine = replace(theirs, sender=ALICE)
    assert isinstance(asked(replace(FREE, room=129), theirs), NotYet)
    assert isinstance(asked(replace(FREE, received=100), theirs), NotYet)
    assert isinstance(asked(FREE, mine), NotYet)
    assert asked(FREE, theirs) is None


def test_without_budgets_the_room_alone_counts() -> None:
    assert asked(Left(50, 50, 10**12, 10**12), bounds=Bounds(100)) is None


def test_a_file_that_is_too_large_fails_in_place_of_waiting() -> None:
    assert asked(Left(0, 0, 999, 999), file=replace(FILE, size=101)) is None
    assert isinstance(asked(Left(0, 0, 999, 999), file=replace(FILE, size=100)), DeferredFiles)


def test_a_budget_ends_with_the_day_and_is_looked_at_each_hour() -> None:
    def until(now: float) -> float:
        found = admit(FILE, (), BOUNDS, replace(FREE, from_sender=120), now=now, chance=0.5)
        assert isinstance(found, DeferredFiles)
        return found.until

    assert until(NOW) == NOW + LONGEST_WAIT
    midnight = 20_001 * DAY
    assert until(midnight - 60) == midnight + SPREAD / 2
    assert until(midnight) == midnight + LONGEST_WAIT


@pytest.mark.parametrize(
    ("left", "reason"),
    [(replace(FREE, room=49), Deferral.DISK), (replace(FREE, part=49), Deferral.PART)],
)
def test_a_disk_or_a_part_without_room_is_looked_at_each_hour(left: Left, reason: Deferral) -> None:
    found = asked(left)
    assert found == DeferredFiles(reason, 49, None, NOW + LONGEST_WAIT)


def test_a_disk_that_refused_a_file_refuses_all_that_are_as_large() -> None:
    found = without_room(FILE, NOW)
    assert found == DeferredFiles(Deferral.DISK, 49, None, NOW + LONGEST_WAIT)
