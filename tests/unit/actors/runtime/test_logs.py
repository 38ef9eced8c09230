"""Logs say where it broke, and never what a person wrote."""

from __future__ import annotations

import gc
import json
from pathlib import Path
from typing import Any

import pytest
import structlog

from actors.runtime import logs

SAID = "call me at 15550100002"

pytestmark = pytest.mark.usefixtures("logs_as_before")


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_an_exception_is_logged_without_its_text(tmp_path: Path) -> None:
    file = tmp_path / "logs" / "actor.log"
    logs.log_to(file, "info", "connection:1")
    try:
        try:
            int(SAID)
        except ValueError as error:
            raise ExceptionGroup(SAID, [KeyError(SAID)]) from error
    except ExceptionGroup:
        structlog.get_logger().exception("broke", action="test")
    [line] = lines(file)
    assert SAID not in file.read_text()
    assert line["by"].startswith("connection:1/")
    told = line["exception"]
    assert told["error"] == "ExceptionGroup"
    assert told["where"][0].startswith("test_logs.py:")
    assert told["cause"]["error"] == "ValueError"
    assert [each["error"] for each in told["errors"]] == ["KeyError"]


def test_the_file_before_is_closed(tmp_path: Path) -> None:
    logs.log_to(tmp_path / "one.log", "info", "one")
    logs.log_to(tmp_path / "two.log", "info", "two")
    gc.collect()  # what was left open would warn now
    structlog.get_logger().info("said", action="test")
    assert lines(tmp_path / "one.log") == []
    assert [line["action"] for line in lines(tmp_path / "two.log")] == ["test"]


def test_a_full_disk_breaks_nobody_who_logs() -> None:
    logs.log_to(Path("/dev/full"), "info", "one")
    for _ in range(1000):
        structlog.get_logger().info("said", action="test")
    logs.log_to(Path("/dev/null"), "info", "two")
