"""Loops that code of the product held are found: in a log, in this process, and not where a test names the reason."""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from actors.runtime import logs, loop_watchdog
from actors.runtime.loop_watchdog import BEAT_SECONDS, Silence
from tests.run import silences
from tests.run.leaks import Search
from tests.unit.actors.runtime.test_loop_watchdog import LONG

if TYPE_CHECKING:
    from collections.abc import Iterator

OURS = ("asyncio.runners:118 run", "gateway.api.messages:80 _list_some", "json:20 dumps")
HELD = Silence("computed", 0.4, 0.3, OURS)


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> silences.Silences:
    monkeypatch.delenv("COVERAGE_ROOT", raising=False)
    return silences.Silences()


@pytest.fixture
def place() -> Iterator[Path]:
    """Outside pytest's directory, whose logs are searched."""
    with tempfile.TemporaryDirectory(prefix="tmo-silences-") as directory:
        yield Path(directory)


@pytest.mark.usefixtures("logs_as_before")
def test_a_line_of_a_process_s_log_is_found_once(
    found: silences.Silences, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.run.leaks.SILENCES", found)
    search, file = Search(), place / "logs" / "connection.log"
    logs.log_to(file, "warning", "connection:1")
    loop_watchdog.report(HELD)
    loop_watchdog.report(Silence("waited", 0.4, 0.0, OURS))
    loop_watchdog.report(Silence("blocked", 0.4, 0.0, (*OURS, "tests.unit.test_x:1 test_y")))
    search.files(place)
    search.files(place)
    [text] = found.taken()
    assert "logs/connection.log: the event loop computed for 0.40 s" in text
    assert OURS[1] in text
    assert not found.taken()


def test_what_product_code_held_in_this_process_fails_its_test(found: silences.Silences) -> None:
    for where in ((*OURS, "tests.unit.test_x:1 test_y"), ("json:20 dumps",), ()):
        found.note_own(Silence("computed", 0.4, 0.3, where))
    found.note_own(Silence("waited", 0.4, 0.0, OURS))
    with found.test(excused=False):
        pass
    found.note_own(HELD)
    test = found.test(excused=False)
    test.__enter__()
    with pytest.raises(AssertionError, match="_list_some"):
        test.__exit__(None, None, None)


@pytest.mark.holds_loop("it is the fault that is to be found")
async def test_the_loop_of_a_test_is_watched(tmp_path: Path) -> None:
    source, file = "def blocking(seconds):\n    time.sleep(seconds)\n", tmp_path / "example.py"
    file.write_text(source)
    blocking: dict[str, Any] = {"__name__": "gateway.example", "time": time}  # as the product's
    exec(compile(source, str(file), "exec"), blocking)
    await asyncio.sleep(2 * BEAT_SECONDS)
    blocking["blocking"](LONG)
    async with asyncio.timeout(20):
        while not silences.SILENCES.own:  # noqa: ASYNC110 - a thread finds it
            await asyncio.sleep(0.01)
    assert "gateway.example:2 blocking" in silences.SILENCES.own[0]
