"""The last hour in minutes: each the mean of its looks, none older than an hour."""

from __future__ import annotations

from actors.health.trend import KEPT, MINUTE, Hour

START = 1_790_000_040.0  # the beginning of a minute


def test_a_minute_is_the_mean_of_its_looks() -> None:
    hour = Hour()
    assert hour.look(START, 10, 40, 1, 100)
    assert not hour.look(START + 20, 20, 40, 2, 200)
    assert not hour.look(START + 40, 60, 70, 3, 300)
    assert hour.look(START + MINUTE, 5, 50, 4, 400)
    assert hour.document == {
        "minutes": [START, START + MINUTE],
        "cpu": [30, 5],
        "memory": [50, 50],
        "own_cpu": [2, 4],
        "own_memory": [200, 400],
    }


def test_what_is_older_than_an_hour_goes() -> None:
    hour = Hour()
    for minute in range(KEPT + 7):
        hour.look(START + minute * MINUTE, minute, 1, 1, 1)
    assert hour.document["cpu"] == list(range(7, KEPT + 7))
    hour.look(START + 3 * KEPT * MINUTE, 9, 1, 1, 1)
    assert hour.document["cpu"] == [9], "nobody looked for an hour"


def test_a_clock_that_is_set_back_leaves_no_minute_of_the_future() -> None:
    hour = Hour()
    for minute in range(3):
        hour.look(START + minute * MINUTE, minute, 1, 1, 1)
    hour.look(START + MINUTE, 9, 1, 1, 1)
    assert hour.document["minutes"] == [START, START + MINUTE]


def test_another_monitor_goes_on() -> None:
    hour = Hour()
    assert Hour.of(hour.document).document == hour.document
    hour.look(START, 1, 2, 3, 4)
    again = Hour.of(hour.document)
    again.look(START + MINUTE, 5, 6, 7, 8)
    assert again.document["cpu"] == [1, 5]
