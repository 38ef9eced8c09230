"""A backup command ends with a sentence where a disk does not answer, though its threads wait for it for good."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.integration.backup.conftest import run

if TYPE_CHECKING:
    from tests.integration.backup.conftest import Place

PATIENCE = 3

PATIENT = """
import sys, threading
from gateway.cli import main
from gateway.cli.backup import standstill
from actors.connection.backup.bucket import blocking_bucket, directory

standstill.STANDSTILL_SECONDS = {patience}
blocking_bucket.CALL_SECONDS = 2.0
{hang}
sys.argv = ["teimoso", *sys.argv[1:]]
main()
"""
"""The command, with less patience; its threads are never waited for."""


def command(place: Place, *words: str, hang: str = "") -> tuple[int, str]:
    """Exit status and stderr. A process that does not end fails the test."""
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            PATIENT.format(hang=hang, patience=PATIENCE),
            "backup",
            *words,
            "--data",
            place.data,
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, " ".join(done.stderr.split())


def test_a_file_that_does_not_answer_ends_the_command(place: Place) -> None:
    """As on a disk that hangs: here a file of a message is a pipe, and nobody writes into it."""
    pipe = place.data / "media" / "cd" / ("cd" * 32)
    pipe.parent.mkdir()
    os.mkfifo(pipe)
    status, said = command(place, "create", "--to", str(place.target))
    assert status == 1
    assert f"The disk of {place.data} or the target {place.target} does not answer." in said
    pipe.unlink()
    assert place.back_up()["kept"] == 1, "nothing that was left is in the way"


def test_a_target_that_does_not_answer_ends_the_command(place: Place) -> None:
    place.back_up()
    hang = "directory.DirectoryBucket._list = lambda *_: threading.Event().wait()"
    for words in (("create", "--to", str(place.target)), ("list", "--from", str(place.target))):
        assert command(place, *words, hang=hang) == (1, "The target does not answer: no_answer.")


def test_a_target_that_does_not_even_say_whether_it_is_there(place: Place) -> None:
    hang = """
from pathlib import Path
asked = Path.is_dir
Path.is_dir = lambda path: threading.Event().wait() if path.name == "target" else asked(path)
"""
    status, said = command(place, "create", "--to", str(place.target), hang=hang)
    assert (status, "does not answer" in said) == (1, True)


def test_steps_that_end_are_no_standstill(place: Place) -> None:
    """Longer than the patience in all, and shorter each."""
    slow = """
import time
written = directory.DirectoryBucket._write
directory.DirectoryBucket._write = lambda *given: (time.sleep(0.8), written(*given))[1]
"""
    status, said = command(place, "create", "--to", str(place.target), hang=slow)
    assert (status, said) == (0, "")
    assert len(place.content()) * 0.8 > PATIENCE + 1, "it took longer than the patience"
    assert run(place.data, "backup", "list", "--from", str(place.target))[0] == 0


def test_a_person_may_think_longer_than_that(place: Place) -> None:
    place.back_up()
    thinks = f"""
import time
from gateway.cli.backup import instance_backups
instance_backups.confirm = lambda *_, **__: time.sleep({PATIENCE + 3})
"""
    status, said = command(place, "create", "--to", str(place.target), "--keep", "1", hang=thinks)
    assert (status, said) == (0, "")


def test_a_redis_that_takes_long_for_its_snapshot_is_no_standstill(place: Place) -> None:
    slow = f"""
import asyncio
from actors.redis import rdb
head = rdb._head
async def late(reader):
    await asyncio.sleep({PATIENCE + 3})
    return await head(reader)
rdb._head = late
"""
    status, said = command(place, "create", "--to", str(place.target), hang=slow)
    assert (status, said) == (0, "")
