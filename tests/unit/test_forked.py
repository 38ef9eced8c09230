"""A forked program is a process like any other: its arguments, files, environment and end are its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from threading import Thread
from typing import TYPE_CHECKING, NoReturn

import psutil
import pytest

from tests.processes import forked
from tests.waits import until

if TYPE_CHECKING:
    from pathlib import Path

TELLS = """
import json, os, sys
print(json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ), sys.stdin.read(), __name__]))
print("to say", file=sys.stderr)
sys.exit(3)
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    return tmp_path / "program.py"


def test_what_it_is_given_and_what_it_says(program: Path) -> None:
    program.write_text(TELLS)
    ran = forked.run(
        [sys.executable, program, "a", "b c"],
        cwd=program.parent,
        env={"ONE": "1"},
        capture_output=True,
        text=True,
    )
    given = [["a", "b c"], str(program.parent), {"ONE": "1"}, "", "__main__"]
    assert (json.loads(ran.stdout), ran.stderr, ran.returncode) == (given, "to say\n", 3)


def test_it_is_spoken_with_and_ends_by_a_signal(program: Path) -> None:
    program.write_text("print(input(), flush=True)\ninput()\n")
    words: list[str | Path] = [sys.executable, program]
    with forked.Popen(words, stdin=forked.PIPE, stdout=forked.PIPE, text=True) as started:
        assert started.stdin is not None
        assert started.stdout is not None
        started.stdin.write("there\n")
        started.stdin.flush()
        assert started.stdout.readline() == "there\n"
        assert started.pid != os.getpid()
        assert started.poll() is None
        with pytest.raises(subprocess.TimeoutExpired):
            started.wait(0.01)
        started.send_signal(signal.SIGTERM)
        assert started.wait(20) == -signal.SIGTERM
    assert started.poll() == -signal.SIGTERM


class Interrupted(BaseException):
    """As the end of a test's time, which is a signal."""


def test_one_whose_wait_is_interrupted_goes_on_for_nobody(program: Path) -> None:
    note = program.with_name("pid")
    program.write_text(
        "import os, time\ntime.sleep(1)  # by then it is waited for\n"
        f"open({str(note)!r}, 'w').write(str(os.getpid()))\ntime.sleep(60)\n"
    )

    def interrupt(*_: object) -> NoReturn:
        raise Interrupted

    def once_it_runs() -> None:
        until("it runs", lambda: note.exists() and note.read_text(), 20)
        os.kill(os.getpid(), signal.SIGUSR1)

    before = signal.signal(signal.SIGUSR1, interrupt)
    thread = Thread(target=once_it_runs)
    thread.start()
    try:
        with pytest.raises(Interrupted):
            forked.run([sys.executable, program])
    finally:
        thread.join()
        signal.signal(signal.SIGUSR1, before)
    assert not psutil.pid_exists(int(note.read_text()))


def test_nothing_that_one_does_is_there_for_the_next(program: Path) -> None:
    program.write_text("import json\nassert not hasattr(json, 'mark')\njson.mark = 1\n")
    for _ in range(2):
        assert forked.run([sys.executable, program]).returncode == 0


def test_a_program_that_breaks_says_how_and_breaks_nothing_else(program: Path) -> None:
    program.write_text("raise SystemExit('no')\n")
    for _ in range(2):
        ran = forked.run([sys.executable, program], capture_output=True, text=True)
        assert (ran.returncode, ran.stderr) == (1, "no\n")


def test_what_runs_at_an_exit_runs_after_its_threads(program: Path) -> None:
    program.write_text(
        "import atexit, threading, time\n"
        "atexit.register(print, 'at its exit')\n"
        "def late():\n    time.sleep(0.2)\n    print('a thread')\n"
        "threading.Thread(target=late).start()\n"
    )
    ran = forked.run([sys.executable, program], capture_output=True, text=True)
    assert (ran.stdout, ran.returncode) == ("a thread\nat its exit\n", 0)
