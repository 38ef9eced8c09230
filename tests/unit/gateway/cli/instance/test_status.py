"""The table and the JSON of `teimoso status`, with hosts and without."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from gateway.cli.instance.instance_state import InstanceState, ProcessUsage
from gateway.cli.instance.status import table
from supervision.reports.process_files import ProcessEntry

if TYPE_CHECKING:
    from collections.abc import Mapping

HERE = ProcessEntry("gateway", 17, "now")
THERE = ProcessEntry("connection", 17, "", "shop--K7Q2M9XA4TBC", "far/48ea521b/4026531836")
FIGURES = {HERE: ProcessUsage("python", 64 << 20, 2.0)}


def state(entries: list[ProcessEntry], usage: Mapping[ProcessEntry, ProcessUsage]) -> InstanceState:
    return InstanceState(
        entries=entries, usage=usage, notes={}, connections=[], missing=[], addresses={}
    )


def test_one_host_has_no_column() -> None:
    columns, [line] = table(state([HERE], FIGURES))
    assert columns == ("role", "connection", "pid", "memory", "cpu", "state")
    assert line == ("gateway", None, 17, "64 MiB", "2 s", "runs")


def test_a_process_elsewhere_has_its_host_and_no_figures_of_the_one_here_with_its_pid() -> None:
    columns, [here, there] = table(state([HERE, THERE], FIGURES))
    assert columns == ("role", "connection", "host", "pid", "memory", "cpu", "state")
    assert here == ("gateway", None, os.uname().nodename, 17, "64 MiB", "2 s", "runs")
    assert there == ("connection", "shop", "far", 17, None, None, "runs")


def test_json_has_the_host_of_each() -> None:
    plain = state([HERE, THERE], FIGURES).as_json()["processes"]
    assert [(each["host"], each["memory_bytes"]) for each in plain] == [
        (os.uname().nodename, 64 << 20),
        ("far", None),
    ]
