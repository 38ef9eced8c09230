"""Each read of the API and each page of the console is measured by the benchmark of reads, or says why not."""

from __future__ import annotations

from tests.benchmarks.load.reads import without_figure


def test_each_read_and_each_page_has_a_figure() -> None:
    assert without_figure() == []
