"""A data directory and `teimoso doctor` for it, in an environment without settings."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from actors.config.settings import Settings
from gateway.cli import main
from tests.integration.gateway.cli.doctor.examination import by_check
from tests.processes.valkey import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.gateway.cli.doctor.examination import Examine


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for field in Settings.model_fields.values():
        monkeypatch.delenv(str(field.validation_alias), raising=False)
    monkeypatch.setenv("PORT", str(free_port()))


@pytest.fixture
def data() -> Iterator[Path]:
    """A directory on a disk, where files of tests lie in memory as well: the doctor warns of memory."""
    with tempfile.TemporaryDirectory(prefix="tmo-", dir="/var/tmp") as directory:
        yield Path(directory)


@pytest.fixture
def doctor(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], logs_as_before: None
) -> Examine:
    """The command in this process: its exit status, and the worst finding of each check."""

    def run(data: Path, *words: object, **environment: object) -> tuple[int, dict[str, Any]]:
        for name, value in environment.items():
            monkeypatch.setenv(name, str(value))
        command = ["teimoso", "doctor", "--json", "--data", data, *words]
        monkeypatch.setattr("sys.argv", [str(word) for word in command])
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0), by_check(capfd.readouterr().out)

    return run
