"""Refusals of `teimoso upgrade` before it ends anything, and processes that it takes for old."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from gateway.cli.instance import upgrade
from supervision.keeper.parts.process_specs import PROCESSES
from supervision.reports import process_files

if TYPE_CHECKING:
    from pathlib import Path


def test_code_that_does_not_load_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upgrade, "UPGRADED_MODULES", "supervision.no_such_module")
    with pytest.raises(upgrade.Stopped, match="does not load: ModuleNotFoundError"):
        upgrade._check()


def test_what_does_not_run_is_refused(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "gateway.cli", "upgrade", "--json", "--data", tmp_path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert json.loads(done.stdout)["complete"] is False
    assert done.stderr.startswith(f"Nothing of {tmp_path} runs")
    assert not list(tmp_path.iterdir())


def test_old_is_what_ran_when_it_began_also_for_the_one_that_goes_on(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    me = process_files.ProcessEntry.of("gateway", os.getpid())
    assert me is not None
    process_files.write(tmp_path, [me], PROCESSES)
    old = upgrade._old(tmp_path)
    assert upgrade._is_old(old, me)
    with subprocess.Popen(["sleep", "60"]) as later:
        new = process_files.ProcessEntry.of("gateway", later.pid)
        assert new is not None
        process_files.write(tmp_path, [new], PROCESSES)
        assert upgrade._old(tmp_path) == old
        assert not upgrade._is_old(old, new)
        assert upgrade._renewed(tmp_path, "gateway", old, PROCESSES)
        later.kill()


def test_for_other_code_than_it_began_with_all_that_runs_is_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "run").mkdir()
    me = process_files.ProcessEntry.of("gateway", os.getpid())
    assert me is not None
    process_files.write(tmp_path, [], PROCESSES)
    assert upgrade._old(tmp_path) == set()
    process_files.write(tmp_path, [me], PROCESSES)  # begun by an upgrade that broke off
    assert upgrade._old(tmp_path) == set()
    monkeypatch.setattr(upgrade, "code_digest", lambda: "a release with a mend")
    assert upgrade._is_old(upgrade._old(tmp_path), me)
    upgrade.forget(tmp_path)
    assert not (tmp_path / upgrade.UPGRADE_MARK).exists()
    upgrade.forget(tmp_path)
