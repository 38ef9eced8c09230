"""The list has only living processes, and never another one with the same pid."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from actors.runtime import host_identity
from supervision.reports import process_files
from supervision.reports.process_files import ProcessEntry

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def this() -> ProcessEntry:
    entry = ProcessEntry.of("root", os.getpid(), "shop")
    assert entry is not None
    return entry


def test_what_is_written_is_read(tmp_path: Path) -> None:
    process_files.write(tmp_path, [this()])
    assert process_files.read(tmp_path) == [this()]


def test_a_pid_that_was_given_away_is_nobody(tmp_path: Path) -> None:
    process_files.write(tmp_path, [this(), replace(this(), started="before")])
    assert process_files.read(tmp_path) == [this()]


def test_a_process_that_ended_is_not_read_even_before_it_is_reaped(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        entry = ProcessEntry.of("queue", child.pid)
        assert entry is not None
        process_files.write(tmp_path, [entry])
        assert process_files.read(tmp_path) == [entry]
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # it is a zombie from here on
        assert not entry.alive
        assert process_files.read(tmp_path) == []
        assert ProcessEntry.of("queue", child.pid) is None
        assert process_files.names_any(tmp_path), "a kill leaves entries, unlike a stop"
        process_files.write(tmp_path, [])
        assert not process_files.names_any(tmp_path)
    finally:
        child.kill()
        child.communicate()


def test_no_list_and_a_broken_one_are_empty(tmp_path: Path) -> None:
    assert process_files.read(tmp_path) == []
    process_files.write(tmp_path, [this()])
    (tmp_path / process_files.TREE_FILE).write_text('[{"role": "root"')
    assert process_files.read(tmp_path) == []


def test_of_another_host_the_root_is_believed_while_it_shows_itself(tmp_path: Path) -> None:
    far = ProcessEntry.of("connection", 1, "shop", "elsewhere")
    assert far is not None
    process_files.write(tmp_path, [this(), far])
    assert process_files.read(tmp_path) == [this()], "no root ever showed itself"
    process_files.beat(tmp_path)
    assert process_files.read(tmp_path) == [this(), far]
    past = time.time() - process_files.ENTRY_SILENCE_SECONDS - 1
    os.utime(tmp_path / process_files.BEAT, (past, past))
    assert process_files.read(tmp_path) == [this()]


def test_a_root_on_another_host_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It names itself by a pid of its own host, which is another process's, or nobody's, here."""
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(host_identity, "here", lambda: "elsewhere")
        process_files.write(tmp_path, [this()])
        assert process_files.read(tmp_path) == [this()]
    assert process_files.read(tmp_path) == []
    process_files.beat(tmp_path)
    [root] = process_files.read(tmp_path)
    assert (root.role, root.node, root.alive) == ("root", "elsewhere", False)


def test_what_another_host_says_of_this_one_is_looked_at_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = host_identity.here()
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(host_identity, "here", lambda: "elsewhere")
        living = ProcessEntry.of("state", os.getpid(), None, here)
        dead = ProcessEntry.of("queue", 2**22 + 1, None, here)
        assert living is not None
        assert dead is not None
        process_files.write(tmp_path, [living, dead])
    assert [entry.role for entry in process_files.read(tmp_path)] == ["state"]
