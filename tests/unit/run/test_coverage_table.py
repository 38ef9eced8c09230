"""`make coverage` measures forked programs, however they end, and its table adds up files by package."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if importlib.util.find_spec("coverage") is None:
    pytest.skip("coverage is not installed: `make setup-test` does it", allow_module_level=True)

from tests.run.coverage_table import ROOT, Sum, sums

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = """
import glob, os, sys, time
if sys.argv[1] == "returns":
    print("returns")
elif sys.argv[1] == "exits":
    print("exits", flush=True)
    os._exit(0)
elif sys.argv[1] == "is ended":
    print("waits", flush=True) or time.sleep(60)
else:
    while not glob.glob(f"{os.environ['COVERAGE_FILE']}*pid{os.getpid()}*"): time.sleep(0.1)
    time.sleep(1); print("waits to be killed", flush=True); time.sleep(60)
    print("never")
"""

DRIVER = """
import sys
from tests.processes import forked
program = sys.argv[1]
for way in ("returns", "exits"):
    assert forked.run([sys.executable, program, way]).returncode == 0
with forked.Popen([sys.executable, program, "is ended"], stdout=forked.PIPE) as ended:
    ended.stdout.readline()
    ended.terminate()
with forked.Popen([sys.executable, program, "is killed"], stdout=forked.PIPE) as killed:
    killed.stdout.readline()
    killed.kill()
"""


def test_forked_programs_are_measured_however_they_end(tmp_path: Path) -> None:
    program = tmp_path / "actors" / "program.py"
    program.parent.mkdir()
    program.write_text(PROGRAM)
    paths = {
        "COVERAGE_ROOT": str(tmp_path),
        "COVERAGE_FILE": str(tmp_path / "data"),
        "PYTHONPATH": str(ROOT),
    }
    settings = str(ROOT / "pyproject.toml")

    def run(*words: str, **environment: str) -> None:
        command = [sys.executable, *words]
        env = {**os.environ, "COVERAGE_PROCESS_START": "", **paths, **environment}
        subprocess.run(command, cwd=ROOT, env=env, check=True, timeout=60)

    run("-c", DRIVER, str(program), COVERAGE_PROCESS_START=settings)
    run("-m", "coverage", "combine", "-q", f"--rcfile={settings}")
    output = tmp_path / "report.json"
    run("-m", "coverage", "json", "-q", f"--rcfile={settings}", "-o", str(output))
    (file,) = json.loads(output.read_text())["files"].values()
    assert file["executed_lines"] == [2, 3, 4, 5, 6, 7, 8, 9, 11, 12]
    assert file["missing_lines"] == [13]
    assert file["missing_branches"] == []


def test_files_are_added_up_by_the_first_two_folders() -> None:
    names = ("summary", "num_statements", "covered_lines", "num_branches", "covered_branches")
    files = {
        path: {names[0]: dict(zip(names[1:], counts, strict=True))}
        for path, counts in {
            "gateway/app.py": (10, 5, 4, 1),
            "actors/queue/lanes/records.py": (20, 10, 0, 0),
            "actors/queue/upkeep.py": (1, 1, 2, 2),
        }.items()
    }
    found = sums(files)
    assert found == {"actors.queue": Sum(21, 11, 2, 2), "gateway": Sum(10, 5, 4, 1)}
    assert found["actors.queue"].cells() == ("21", "52.4 %", "2", "100.0 %")
    assert Sum(1, 0).cells() == ("1", "0.0 %", "0", ""), "nothing to run is no share"
