"""Checks out the packages of an older commit, and replaces them by the present ones."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[4]
PACKAGES = ("actors", "gateway", "simulator", "supervision")


def checkout(commit: str, place: Path) -> Path:
    """Put the packages of `commit` into the new directory `place`; skip where the history lacks it."""
    archive = place.with_suffix(".tar")
    wanted = ("git", "-C", str(ROOT), "archive", "-o", str(archive), commit, *PACKAGES)
    if subprocess.run(wanted, capture_output=True, check=False).returncode != 0:
        pytest.skip(f"there is no {commit} in this history")
    place.mkdir()
    shutil.unpack_archive(archive, place)
    return place


def pull(code: Path) -> None:
    """Replaces the code in `code` by the present one, as `git pull` does; what runs may write bytecode meanwhile."""
    for package in PACKAGES:
        shutil.rmtree(code / package)
        shutil.copytree(ROOT / package, code / package, dirs_exist_ok=True)


def read(code: Path) -> dict[str, bytes]:
    """The source files in `code` by their paths."""
    return {str(one): one.read_bytes() for one in code.rglob("*") if one.suffix in {".py", ".lua"}}
