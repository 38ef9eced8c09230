"""Curves: where a figure is drawn, and that a time without figures is no line."""

from __future__ import annotations

from gateway.console.pages.charts import HEIGHT, WIDTH, curve

NOW = 1_790_000_000.0


def test_an_hour_goes_from_the_left_to_the_right_and_percent_from_below() -> None:
    times = [NOW - 3600 + minute * 60 for minute in range(61)]
    found = curve(times, [*range(60), 100.0], NOW)
    assert found is not None
    [line] = found.lines
    assert line.startswith(f"0,{HEIGHT} ")
    assert line.endswith(f" {WIDTH},0")
    assert (found.now, found.highest, found.highest_at) == (100, 100, NOW)
    assert found.areas[0].endswith(f"{WIDTH},{HEIGHT}")


def test_where_nobody_looked_there_is_no_line() -> None:
    found = curve([NOW - 1200, NOW - 1140, NOW - 120, NOW - 60], [10, 20, 30, 20], NOW)
    assert found is not None
    assert [line.count(",") for line in found.lines] == [2, 2]
    assert found.mean == 20


def test_one_figure_is_seen_and_none_is_no_curve() -> None:
    found = curve([NOW - 60], [50], NOW)
    assert found is not None
    assert found.lines[0].count(",") == 2
    assert curve([], [], NOW) is None
    assert curve([NOW - 7300], [50], NOW) is None, "of another hour"


def test_what_no_percentage_is_stays_within() -> None:
    found = curve([NOW - 120, NOW - 60], [-5, 140], NOW)
    assert found is not None
    assert found.lines[0] == f"580,{HEIGHT} 590,0"
