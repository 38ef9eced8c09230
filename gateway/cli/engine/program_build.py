"""Looks for commits of whatsmeow, and builds and tries the program with one, in a scratch folder without data or keys."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

from actors.connection.whatsmeow.program.executable import EXECUTABLE_NAME, ProgramChoice, built
from actors.health.engine_look import EngineLook
from supervision.keeper.parts import python_module

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCE_FILES: Final = (
    ".ci/with-go",
    ".ci/whatsmeow-build",
    ".ci/whatsmeow-library",
    "requirements-go.lock",
    "actors/connection/whatsmeow/bridge",
)
"""The program's source and the scripts that build it, in a checkout and in the archive alike."""

ARCHIVE: Final = Path(sys.prefix) / "share" / EXECUTABLE_NAME / "source.tar.gz"
"""The place in this environment where the wheel of the program puts its source."""

PASSED: Final = (
    *("PATH", "LANG", "SSL_CERT_FILE", "SSL_CERT_DIR"),
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"),
    *("GO", "GOPROXY", "GOSUMDB", "GONOSUMDB", "GONOPROXY", "GOPRIVATE", "GOMODCACHE", "GOCACHE"),
    *("PIP_INDEX_URL", "PIP_CERT", "PIP_CONFIG_FILE", "PIP_NO_INDEX", "PIP_FIND_LINKS"),
)
"""The variables that a build inherits: how to reach modules and packages, and nothing of the instance."""

NEWEST_SECONDS: Final = 20.0
VERSION_SECONDS: Final = 5.0
BUILD_SECONDS: Final = 900.0
CHECK_SECONDS: Final = 180.0


class EngineFailed(Exception):
    """A step of `teimoso engine` cannot be done; the message is the reason, a sentence for a person."""


def look(used: str, *, with_package: bool = False) -> EngineLook:
    """Look for the newest commit that the module proxy names; `with_package`: by the Go of a package where there is none."""
    try:
        if not with_package and shutil.which(os.environ.get("GO", "go")) is None:
            raise EngineFailed("there is no Go here to look with.")  # noqa: TRY301
        with _scratch() as scratch:
            limit = BUILD_SECONDS if with_package else NEWEST_SECONDS
            newest = _library(scratch, "newest", seconds=limit)
        return EngineLook(time.time(), used, newest)
    except EngineFailed as error:
        return EngineLook(time.time(), used, unknown=str(error))


def resolve(commit: str) -> str:
    """The version of a commit. Raises `EngineFailed`."""
    with _scratch() as scratch:
        return _library(scratch, "version", commit, seconds=BUILD_SECONDS)


def build(data: Path, version: str) -> None:
    """Build the program with this version, try it on the simulator, and put it into the data directory.

    Neither sees that directory: they have a folder of their own and an environment without its variables. Raises
    `EngineFailed`.
    """
    if find_spec("pywhats") is None:
        raise EngineFailed(
            "the simulator that tries the program is not installed: `pip install 'teimoso[simulator]'` does it."
        )
    target = built(data, version)
    with _scratch() as scratch:
        made = built(scratch / "data", version)
        made.parent.mkdir(parents=True)
        _library(scratch, "build", version, str(made), seconds=BUILD_SECONDS)
        ProgramChoice(version=version).write(scratch / "data")
        command = python_module.module("gateway.cli.engine.simulator_check", str(scratch / "data"))
        _run(scratch, *command.arguments, seconds=CHECK_SECONDS, more=command.environment)
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        beside = target.with_suffix(".new")
        shutil.copy2(made, beside)
        descriptor = os.open(beside, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)
        beside.replace(target)


def schema_of(program: Path) -> int:
    """The schema to which a program brings a key database. Raises `EngineFailed`."""
    done = subprocess.run([program, "-schema"], capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode or not done.stdout.strip().isdigit():
        raise EngineFailed(f"{program} does not tell its schema.")
    return int(done.stdout)


def version_of(program: Path) -> str | None:
    """The version of whatsmeow that a program reports; None where it does not run."""
    try:
        done = subprocess.run(  # noqa: S603 - our own program
            [program, "--version"],
            capture_output=True,
            text=True,
            timeout=VERSION_SECONDS,
            check=False,
        )
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
    name, _, version = done.stdout.strip().partition(" ")
    return version if done.returncode == 0 and name == "whatsmeow" else None


@contextmanager
def _scratch() -> Iterator[Path]:
    """A folder with a copy of the source in `source`, and a home; removed afterwards."""
    root = python_module.PACKAGES_DIRECTORY
    with tempfile.TemporaryDirectory(prefix="teimoso-engine-") as name:
        scratch = Path(name)
        source = scratch / "source"
        (scratch / "home").mkdir()
        if all((root / each).exists() for each in SOURCE_FILES):
            for each in SOURCE_FILES:
                (source / each).parent.mkdir(parents=True, exist_ok=True)
                copy = shutil.copytree if (root / each).is_dir() else shutil.copy2
                copy(root / each, source / each)
        elif ARCHIVE.is_file():
            source.mkdir()
            subprocess.run(["tar", "-xzf", ARCHIVE, "-C", source], check=True)  # noqa: S603, S607
        else:
            raise EngineFailed(
                f"the source of {EXECUTABLE_NAME} is not at hand: its wheel brings it, and so does a clone."
            )
        yield scratch


def _library(scratch: Path, *words: str, seconds: float) -> str:
    """The last line that `.ci/whatsmeow-library` prints."""
    command = (".ci/with-go", sys.executable, ".ci/whatsmeow-library", *words)
    return _run(scratch, *command, seconds=seconds).strip().splitlines()[-1]


def _run(scratch: Path, *words: str, seconds: float, more: dict[str, str] | None = None) -> str:
    inherited = {name: os.environ[name] for name in PASSED if name in os.environ}
    settings = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "go/env"
    own = {
        "HOME": str(scratch / "home"),
        "TMPDIR": str(scratch),
        "ONLINE": str(scratch),
        "GOENV": os.environ.get("GOENV", str(settings)),
        "GOFLAGS": "-modcacherw",
    }
    try:
        done = subprocess.run(  # noqa: S603 - our own scripts, this interpreter
            words,
            cwd=scratch / "source",
            env={**inherited, **own, **(more or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise EngineFailed(f"it took longer than {seconds:.0f} s.") from None
    if done.returncode:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        raise EngineFailed(" ".join(lines[-3:])[-500:] or f"it ended with {done.returncode}.")
    return done.stdout
