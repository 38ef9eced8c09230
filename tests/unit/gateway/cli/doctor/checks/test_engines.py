"""The doctor's check of the program of the whatsmeow engine."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from actors.connection.whatsmeow.program import executable
from actors.runtime.limits.durations import DAY
from gateway.cli.doctor.checks.engines import judged, whatsmeow

if TYPE_CHECKING:
    from pathlib import Path

VERSION = "v0.0.0-20260921121126-35ae40906e74"
MADE = datetime(2026, 9, 21, 12, 11, 26, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("age", "result", "days"),
    [
        (-DAY, "ok", 0),
        (0, "ok", 0),
        (DAY - 1, "ok", 0),
        (DAY, "ok", 1),
        (30 * DAY, "ok", 30),
        (30 * DAY + 1, "warn", 30),
        (400 * DAY, "warn", 400),
    ],
)
def test_a_library_is_old_after_30_days(age: float, result: str, days: int) -> None:
    found = judged(VERSION, MADE + age)
    assert (found.check, found.result) == ("whatsmeow", result)
    assert found.found.startswith(f"of 2026-09-21, {days} days old")
    assert ("whatsmeow-bump" in (found.do or "")) == (result == "warn")


@pytest.mark.parametrize(
    "version",
    ["unknown", "", "v1.2.3", "(devel)", "v0.0.0-20261399121126-35ae40906e74", f"{VERSION}+dirty"],
)
def test_a_version_without_a_date_is_no_good_sign(version: str) -> None:
    found = judged(version, MADE)
    assert found.result == "warn"
    assert "does not tell the date" in found.found


async def test_no_program_is_no_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executable, "BUILT", tmp_path / "none")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert await whatsmeow() == []


@pytest.mark.parametrize(
    "program",
    [
        "#!/bin/sh\nexit 1\n",
        f"#!/bin/sh\necho whatsmeow {VERSION}; exit 2\n",
        "#!/bin/sh\necho something else\n",
        "no program",
    ],
)
async def test_a_program_that_does_not_run_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str
) -> None:
    file = tmp_path / executable.EXECUTABLE_NAME
    file.write_text(program)
    file.chmod(0o755)
    monkeypatch.setattr(executable, "BUILT", file)
    (found,) = await whatsmeow()
    assert (found.result, found.do) == ("fail", "`make whatsmeow` anew")


async def test_the_program_tells_the_version_that_is_pinned() -> None:
    if not executable.BUILT.exists():
        pytest.skip(f"{executable.EXECUTABLE_NAME} is not built: `make whatsmeow` does it")
    pinned = next(
        line.split()[1]
        for line in (executable.BUILT.parent / "go.mod").read_text().splitlines()
        if line.split()[:1] == ["go.mau.fi/whatsmeow"]
    )
    (found,) = await whatsmeow()
    assert f"{pinned[7:11]}-{pinned[11:13]}-{pinned[13:15]}" in found.found
