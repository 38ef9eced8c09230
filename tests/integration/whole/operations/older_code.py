"""Checks out the packages of an older commit, builds its program, and replaces the packages by the present ones."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from actors.connection.whatsmeow.program.executable import EXECUTABLE_NAME

ROOT = Path(__file__).resolve().parents[4]
BEFORE = "e6ed0f932dc1b7e6185c0478b6f865dd1bf8edbb"
"""The oldest code whose data is taken over."""
PACKAGES = ("actors", "gateway", "simulator", "supervision")
PROGRAM = Path("bin", EXECUTABLE_NAME)
"""The older program, below the directory of the older code: a pull leaves it."""


def checkout(commit: str, place: Path) -> Path:
    """Put the packages of `commit`, and its program, into the new directory `place`.

    Skips where the history lacks it, or without Go.
    """
    if shutil.which("go") is None:
        pytest.skip("Go, which builds the older program, is not installed")
    archive = place.with_suffix(".tar")
    wanted = ("git", "-C", str(ROOT), "archive", "-o", str(archive), commit, *PACKAGES)
    if subprocess.run(wanted, capture_output=True, check=False).returncode != 0:
        pytest.skip(f"there is no {commit} in this history")
    place.mkdir()
    shutil.unpack_archive(archive, place)
    (place / PROGRAM).parent.mkdir()
    build = Path(shutil.copytree(ROOT / ".ci", place / ".ci"), "whatsmeow-build")
    built = {**os.environ, "GO": "go", "GOTOOLCHAIN": "local"}
    subprocess.run([build, place / PROGRAM], env=built, check=True, capture_output=True)
    return place


def environment(code: Path) -> dict[str, str]:
    """The variables by which processes load the code in `code`, start its program, and link accounts with it."""
    path = f"{(code / PROGRAM).parent}:{os.environ['PATH']}"
    return {"PYTHONPATH": str(code), "PATH": path, "ENGINE": "whatsmeow"}


def pull(code: Path) -> None:
    """Replaces the code in `code` by the present one, as `git pull` does; what runs may write bytecode meanwhile."""
    for package in PACKAGES:
        shutil.rmtree(code / package)
        shutil.copytree(ROOT / package, code / package, dirs_exist_ok=True)


def read(code: Path) -> dict[str, bytes]:
    """The source files in `code` by their paths."""
    return {str(one): one.read_bytes() for one in code.rglob("*") if one.suffix in {".py", ".lua"}}
