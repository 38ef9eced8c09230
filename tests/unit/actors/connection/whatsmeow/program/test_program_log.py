"""Output of the program: templates and places in the code, and no value."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import structlog

from actors.connection.whatsmeow.program.program_log import MOST_FRAMES, ProgramLog

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def lines() -> Iterator[list[Any]]:
    with structlog.testing.capture_logs() as found:
        yield found


def said(**line: str) -> bytes:
    return json.dumps(line).encode() + b"\n"


@pytest.mark.parametrize(
    ("line", "shown", "level"),
    [
        (said(level="info", module="whatsmeow", event="Paired %s"), "Paired %s", "info"),
        (said(level="warning", module="whatsmeow/Client", event="Lost"), "Lost", "warning"),
        (said(level="error", module="x", event="to 15550100002"), "withheld", "error"),
        (said(level="error", module="x", event="a@s.whatsapp.net"), "withheld", "error"),
        (said(level="fatal", module="x", event="bell \a"), "withheld", "info"),
        (said(level="info", module="x"), "withheld", "info"),
    ],
)
def test_its_own_lines(lines: list[Any], line: bytes, shown: str, level: str) -> None:
    ProgramLog().take(line)
    assert [(one["event"], one["log_level"]) for one in lines] == [(shown, level)]


def test_a_module_that_could_be_a_person_is_left_out(lines: list[Any]) -> None:
    ProgramLog().take(said(level="info", module="15550100002@lid", event="x"))
    assert "module" not in lines[0]


def test_a_crash_is_logged_by_its_places(lines: list[Any]) -> None:
    log = ProgramLog()
    for line in (
        b"panic: the message of 15550100002 said hello\n",
        b"\n",
        b"goroutine 7 [running]:\n",
        b"main.work(0xc000012345, {0x1, 0x2})\n",
        b"\t/build/15550100002/engine.go:42 +0x1d\n",
        b"15550100002@s.whatsapp.net says hello\n",
        *[b"\t/build/more.go:1 +0x1\n"] * 2 * MOST_FRAMES,
    ):
        log.take(line)
    assert log.crash[:3] == ["panic", "engine.go:42", "more.go:1"]
    assert len(log.crash) == MOST_FRAMES
    assert not lines


def test_what_is_no_object_is_nothing(lines: list[Any]) -> None:
    for line in (b"7\n", b'"15550100002"\n', b"\xff\xfe\n"):
        ProgramLog().take(line)
    assert not lines
