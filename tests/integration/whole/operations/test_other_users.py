"""Another user of the host reaches no file and no socket of an instance, wherever its data directory is."""

from __future__ import annotations

import os
import shutil
import socket
import stat
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from supervision.keeper.parts import ray_head
from tests.processes.instance import Instance

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="being another user needs root")

NOBODY = 65_534
PUBLIC = ("/dev", "/proc", "/sys", "/usr", "/lib", "/etc", "/bin")
"""Places of the system, and of its libraries."""
CODE = (Path(__file__).resolve().parents[4], Path(sys.base_prefix), Path(sys.prefix))


@pytest.fixture(params=["short", "long"], scope="module")
def instance(request: pytest.FixtureRequest) -> Iterator[Instance]:
    """Where all users may enter. On the long path Ray's sockets have no room in the data directory."""
    place = Path(tempfile.mkdtemp(prefix="tmo-", dir="/tmp"))
    place.chmod(0o755)
    data = place / ("d" if request.param == "short" else "d" * 60)
    data.mkdir()
    data.chmod(0o755)  # as an operator may have made it
    inside = data in ray_head.temporary(data).parents
    assert inside == (request.param == "short")
    try:
        with Instance(data) as running:
            running.pair("shop", "15550107201")
            yield running
    finally:
        shutil.rmtree(place)


def opened(pids: set[int]) -> tuple[set[Path], set[str]]:
    """The paths that these processes have open, and the inodes of their sockets."""
    paths, sockets = set(), set()
    for pid in pids:
        for link in (Path(f"/proc/{pid}/cwd"), *Path(f"/proc/{pid}/fd").glob("*")):
            with suppress(OSError):
                target = str(link.readlink())
                if target.startswith("socket:["):
                    sockets.add(target[8:-1])
                elif target.startswith("/") and not target.endswith(" (deleted)"):
                    paths.add(Path(target))
    return paths, sockets


def listening(inodes: set[str]) -> set[str]:
    """The names of those Unix sockets that have one; an abstract name begins with ``@``."""
    lines = [line.split() for line in Path("/proc/net/unix").read_text().splitlines()[1:]]
    return {line[7] for line in lines if len(line) > 7 and line[6] in inodes}


def written(instance: Instance) -> tuple[set[Path], set[str]]:
    """All files, directories and sockets of it: those that are open, and those below its directories."""
    paths, inodes = opened({process.pid for process in instance.family()})
    names = listening(inodes)
    paths |= {Path(name) for name in names if not name.startswith("@")}
    for root in roots(instance):
        paths |= {root, *root.rglob("*")}
    shared = (*map(Path, PUBLIC), *CODE)
    own = {
        path
        for path in paths
        if path.is_relative_to("/dev/shm") or not any(map(path.is_relative_to, shared))
    }
    return own, {name for name in names if name.startswith("@")}


def roots(instance: Instance) -> tuple[Path, Path]:
    """The directories that have all of it."""
    return instance.data, ray_head.temporary(instance.data)


def is_private(path: Path) -> bool:
    """Whether it is or lies in a directory that this user alone enters."""
    for each in (path, *path.parents):
        try:
            status = each.lstat()
        except FileNotFoundError:  # a temporary file, which is gone meanwhile
            continue
        own = stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()
        if own and not status.st_mode & 0o077:
            return True
    return False


def tries(path: Path) -> Iterator[tuple[str, Callable[[], object]]]:
    """Attempts at a path by another user."""
    yield "list", lambda: list(path.iterdir())
    yield "read", lambda: os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
    yield "write", lambda: os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
    yield "create in", lambda: os.close(os.open(path / "probe", os.O_WRONLY | os.O_CREAT, 0o600))
    yield "link in", lambda: (path / "probe").symlink_to("/etc/passwd")
    yield "replace", lambda: path.rename(path.with_name(".probe"))
    yield "remove", path.unlink
    if len(str(path)) < 108:
        with socket.socket(socket.AF_UNIX) as client:
            yield "connect to", lambda: client.connect(str(path))


def reached(paths: set[Path]) -> list[str]:
    """The attempts at these that the rights of files and directories do not end."""
    found = []
    for path in sorted(paths):
        for name, attempt in tries(path):
            try:
                attempt()
            except PermissionError:
                continue
            except IsADirectoryError:
                if name == "write":  # the kernel's answer before it looks at rights
                    continue
                found.append(f"{name} {path}")
            except OSError:  # the way to it was open
                found.append(f"{name} {path}")
            else:
                found.append(f"{name} {path}")
    return found


def as_nobody(paths: set[Path]) -> list[str]:
    """Returns `reached` in a process of another user."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        with os.fdopen(writer, "w") as out:
            out.write("\n".join((*reached(paths), "done")))
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as lines:
        said = lines.read().splitlines()
    os.waitpid(child, 0)
    assert said.pop() == "done"
    return said


def test_another_user_reaches_nothing_of_it(instance: Instance) -> None:
    paths, abstract = written(instance)
    names = {path.name for path in paths}
    assert {"runtime.json", "keeper.lock", "valkey.conf", "session.db", "gateway.log"} <= names
    sockets = {path.name for path in paths if path.is_socket()}
    assert {"raylet", "plasma_store"} <= sockets
    assert any(name.startswith("raylet") and name.endswith(".out") for name in names)
    assert abstract == set()
    within = {path for path in paths if any(map(path.is_relative_to, roots(instance)))}
    assert as_nobody(within) == []  # of no others: an attempt that succeeds changes what it reaches
    assert [path for path in paths if not is_private(path)] == []
