"""Several real processes on one state file; some of them killed in the middle of their batches."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
import time
from collections import Counter
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from actors.state.sqlite.store import SqliteDocuments
from tests.integration.state.writer import SIZE
from tests.processes import forked
from tests.waits import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from actors.state.documents import Document

ROOT = Path(__file__).resolve().parents[3]
WRITER = Path(__file__).with_name("writer.py")


@contextmanager
def writer(file: Path, name: str, batches: int, shown: Path) -> Iterator[forked.Popen]:
    with shown.open("wb") as output:
        process = forked.Popen(
            [sys.executable, str(WRITER), str(file), name, str(batches)],
            stdout=output,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()


def confirmed(shown: Path) -> set[int]:
    # The last line may have been cut off by the kill.
    return {int(line) for line in shown.read_text().splitlines(keepends=True) if line[-1] == "\n"}


def begun(shown: Path) -> bool:
    return len(confirmed(shown)) >= 5


def stored(file: Path) -> tuple[Counter[tuple[str, int]], int]:
    async def read() -> tuple[list[Document], Document | None]:
        documents = SqliteDocuments(file)
        try:
            page = await documents.query("things")
            return page.items, await documents.get("counters", "shared")
        finally:
            await documents.close()

    items, counter = asyncio.run(read())
    assert counter is not None
    return Counter((item["writer"], item["batch"]) for item in items), counter["n"]


def test_processes_write_at_once_and_nothing_is_lost(tmp_path: Path) -> None:
    file = tmp_path / "state.db"
    names, batches = ("a", "b", "c"), 60
    shown = {name: tmp_path / name for name in names}
    with (
        writer(file, "a", batches, shown["a"]) as a,
        writer(file, "b", batches, shown["b"]) as b,
        writer(file, "c", batches, shown["c"]) as c,
    ):
        assert [process.wait(60) for process in (a, b, c)] == [0, 0, 0]
    found, counter = stored(file)
    assert found == {(name, number): SIZE for name in names for number in range(batches)}
    assert counter == len(names) * batches
    for path in shown.values():
        assert confirmed(path) == set(range(batches))


def test_a_killed_writer_leaves_whole_batches_and_all_that_was_confirmed(
    tmp_path: Path,
) -> None:
    """Kills that find batches under way; the one beside goes on (G5)."""
    file = tmp_path / "state.db"
    chance = random.Random(20)
    sure: dict[tuple[str, int], int] = {}
    with writer(file, "beside", 100_000, tmp_path / "beside") as beside:
        for life in range(6):
            name, shown = f"killed{life}", tmp_path / f"killed{life}"
            with writer(file, name, 100_000, shown) as process:
                until("some are confirmed", partial(begun, shown), 30)
                assert process.poll() is None
                time.sleep(chance.random() * 0.05)
                os.kill(process.pid, signal.SIGKILL)
                assert process.wait(10) == -signal.SIGKILL
            sure |= dict.fromkeys(((name, number) for number in confirmed(shown)), SIZE)
        before = len(confirmed(tmp_path / "beside"))
        until("it goes on", lambda: len(confirmed(tmp_path / "beside")) > before, 30)
        assert beside.poll() is None
        os.kill(beside.pid, signal.SIGKILL)
        assert beside.wait(10) == -signal.SIGKILL
    sure |= dict.fromkeys((("beside", number) for number in confirmed(tmp_path / "beside")), SIZE)
    found, counter = stored(file)
    assert set(found.values()) == {SIZE}  # no batch is there in part
    assert sure.items() <= found.items()  # nothing that was confirmed is missing
    assert counter == len(found)
    print(f"{len(sure)} batches confirmed, {len(found) - len(sure)} stored and not yet confirmed")
