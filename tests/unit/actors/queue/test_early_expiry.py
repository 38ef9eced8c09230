"""The hour up to which finished messages leave early."""

from __future__ import annotations

import pytest

from actors.queue.early_expiry import FOR_ALL, hour_of

ENDS = {7: 100, 5: 50, 9: 10}


@pytest.mark.parametrize(
    ("missing", "hour"), [(1, 5), (50, 5), (51, 7), (150, 7), (151, 9), (160, 9), (161, FOR_ALL)]
)
def test_the_first_hours_that_have_enough(missing: int, hour: int) -> None:
    assert hour_of(ENDS, missing) == hour


def test_where_nothing_expires_there_is_no_such_hour() -> None:
    assert hour_of({}, 1) == FOR_ALL
