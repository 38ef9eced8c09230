"""The doctor's check of the program of the whatsmeow engine."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from actors.connection.whatsmeow import program
from actors.connection.whatsmeow.program import executable
from actors.health.engine_look import EngineLook
from actors.runtime.limits.durations import DAY
from gateway.cli.doctor.checks.engines import INSTALL, judged, whatsmeow

BRIDGE = Path(program.__file__).parents[1] / "bridge"

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
    found = judged(EngineLook(0.0, VERSION, unknown="no Go"), MADE + age)
    assert (found.check, found.result) == ("whatsmeow", result)
    assert f"of 2026-09-21, {days} days old" in found.found
    assert ("engine try" in (found.do or "")) == (result == "warn")
    assert ("nobody here can know" in found.found) == (result == "warn")


def test_an_old_library_that_is_the_newest_is_well() -> None:
    found = judged(EngineLook(0.0, VERSION, newest=VERSION), MADE + 31 * DAY)
    assert (found.result, found.found) == (
        "ok",
        "of 2026-09-21, 31 days old, and there is none newer",
    )


@pytest.mark.parametrize(
    "version",
    ["unknown", "", "v1.2.3", "(devel)", "v0.0.0-20261399121126-35ae40906e74", f"{VERSION}+dirty"],
)
def test_a_version_without_a_date_is_no_good_sign(version: str) -> None:
    found = judged(EngineLook(0.0, version), MADE)
    assert found.result == "warn"
    assert "does not tell the date" in found.found


async def test_an_environment_without_the_program_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executable, "INSTALLED", tmp_path / "none")
    (found,) = await whatsmeow(tmp_path)
    assert (found.result, found.do) == ("fail", INSTALL)


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
    monkeypatch.setattr(executable, "INSTALLED", file)
    (found,) = await whatsmeow(tmp_path)
    assert (found.result, found.do) == ("fail", INSTALL)


async def test_the_program_tells_the_version_that_is_pinned(tmp_path: Path) -> None:
    pinned = next(
        line.split()[1]
        for line in (BRIDGE / "go.mod").read_text().splitlines()
        if line.split()[:1] == ["go.mau.fi/whatsmeow"]
    )
    (found,) = await whatsmeow(tmp_path)
    assert f"{pinned[7:11]}-{pinned[11:13]}-{pinned[13:15]}" in found.found
