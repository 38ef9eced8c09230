"""The limit of a test's time ends no instance's end: none of its processes outlives the run, wherever the limit strikes."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import psutil
import pytest

if TYPE_CHECKING:
    from pathlib import Path

RUN = '''
import socket
import subprocess
import time
from pathlib import Path

import pytest

from tests.processes.instance import Instance
from tests.run import answers

DATA, STEP = Path({data!r}), {step!r}


class Slow(Instance):
    """An instance of one process, and one step of its end that takes too long."""

    def up(self):
        self.silent = socket.create_server(("127.0.0.1", self.simulator_port))
        answers.CHECK._servers[str(self.simulator.base_url)] = "another kind"
        subprocess.Popen(["sleep", "300"], cwd="/", env={{"INSTANCE": str(self.data)}})
        return 0.0

    def teimoso(self, *words, timeout=120):
        if STEP == "down":
            time.sleep(60)
        return super().teimoso(*words, timeout=timeout)

    def family(self):
        global STEP
        if STEP == "killing":
            STEP = ""
            time.sleep(60)
        return super().family()


@pytest.fixture
def instance():
    if STEP != "question":
        answers.CHECK.end = lambda _: None
    with Slow(DATA) as running:
        yield running


@pytest.mark.timeout(2)
def test_its_end_takes_too_long(instance):
    pass
'''


@pytest.mark.parametrize("step", ["question", "down", "killing"])
def test_an_instance_is_ended_though_the_limit_strikes_in_its_end(
    tmp_path: Path, pytestconfig: pytest.Config, step: str
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    file = tmp_path / "test_slow.py"
    file.write_text(RUN.format(data=str(data), step=step))
    project = pytestconfig.rootpath
    words = ["-q", "-p", "no:xdist", "-p", "no:cacheprovider", "-W", "ignore"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words, "-c", project / "pyproject.toml", file],
        cwd=project,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    outlived = left(data)
    for each in outlived:
        each.kill()
    assert "1 passed, 1 error" in done.stdout, done.stdout + done.stderr
    assert "Timeout (>2.0s)" in done.stdout
    assert outlived == []


def left(data: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("INSTANCE") == str(data):
                found.append(process)
        except psutil.Error:
            continue
    return found
