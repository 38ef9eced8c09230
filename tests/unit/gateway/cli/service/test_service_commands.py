"""`teimoso service`: what systemd itself says of the units, and what is left after `uninstall`."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from actors.config.settings import Settings
from gateway.cli import main
from gateway.cli.service import systemd, units

if TYPE_CHECKING:
    from pathlib import Path

ANALYZE = shutil.which("systemd-analyze")
needs_systemd = pytest.mark.skipif(
    ANALYZE is None, reason="systemd-analyze is missing: Debian has it in the package systemd"
)
Command = Callable[..., Any]


@pytest.fixture
def teimoso(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], logs_as_before: None
) -> Command:
    """Run the command in this process: exit status, what it printed, what it refused."""
    for field in Settings.model_fields.values():
        monkeypatch.delenv(str(field.validation_alias), raising=False)

    def run(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["teimoso", *map(str, words)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        output, errors = capfd.readouterr()
        return int(ended.value.code or 0), output, errors

    return run


def verify(file: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(ANALYZE), "verify", "--man=no", *flags, file],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "XDG_RUNTIME_DIR": str(file.parent)},  # where nobody is logged in
    )


def complaints(errors: str) -> list[str]:
    """Returns systemd's errors about the unit, by line; of an unknown key only the key."""
    unknown = re.compile(r": Unknown (?:key|key name|lvalue) '(\w+)' in section \W?Service\W")
    about = [line for line in errors.splitlines() if "teimoso.service" in line]
    return [found[1] if (found := unknown.search(line)) else line for line in about]


def unknown_keys() -> list[str]:
    """The keys of a unit that the systemd of this machine does not know and ignores."""
    said = subprocess.run([str(ANALYZE), "--version"], capture_output=True, text=True, check=True)
    version = re.match(r"systemd (\d+)", said.stdout)
    assert version is not None, said.stdout
    return [] if int(version[1]) >= systemd.STEPS else ["RestartSteps", "RestartMaxDelaySec"]


@needs_systemd
@pytest.mark.parametrize("scope", ["system", "user"])
@pytest.mark.parametrize("name", ["data", 'with space, 100% $HOME "quoted" and \\'])
def test_systemd_takes_the_unit_and_reads_the_words_as_they_are(
    tmp_path: Path, teimoso: Command, scope: str, name: str
) -> None:
    data = tmp_path / name
    flags = ("--root", tmp_path, "--data", data, f"--{scope}", "--json")
    status, output, errors = teimoso("service", "install", *flags)
    assert status == 0, errors
    told = json.loads(output)
    file = tmp_path / "etc" / "systemd" / scope / "teimoso.service"
    assert (told["file"], told["text"], told["done"]) == (str(file), file.read_text(), True)
    checked = verify(file, *(("--user",) if scope == "user" else ()))
    assert checked.returncode == 0, checked.stderr
    assert complaints(checked.stderr) == unknown_keys()
    (line,) = re.findall(r"^ExecStart=(.*)$", told["text"], re.MULTILINE)
    assert unquoted(line)[1:] == ["up", "--data", str(data)]


@needs_systemd
def test_systemd_refuses_a_unit_that_is_broken(tmp_path: Path, teimoso: Command) -> None:
    assert teimoso("service", "install", "--root", tmp_path, "--system", "--data", tmp_path)[0] == 0
    file = tmp_path / "etc" / "systemd" / "system" / "teimoso.service"
    text = file.read_text()
    line = text.splitlines().index("RestartSec=500ms") + 1  # every version of systemd knows it
    file.write_text(text.replace("RestartSec=500ms", "RestartSec=many"))
    refused, *others = complaints(verify(file).stderr)
    assert f"teimoso.service:{line}: Failed to parse" in refused
    assert refused.endswith(" many")
    assert others == unknown_keys()


def unquoted(line: str) -> list[str]:
    """The words of a command line as systemd.service(5) reads them."""
    words = re.findall(r'"((?:[^"\\]|\\.)*)"|(\S+)', line)
    plain = (re.sub(r"\\(.)", r"\1", quoted) if quoted else bare for quoted, bare in words)
    return [word.replace("%%", "%").replace("$$", "$") for word in plain]


def test_the_guide_s_settings_of_pm2_are_in_the_unit(
    tmp_path: Path, teimoso: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAX_RESTARTS", "4")
    monkeypatch.setenv("MIN_UPTIME", "5000")
    monkeypatch.setenv("RESTART_BACKOFF_CAP", "32000")
    flags = ("--data", tmp_path, "--system", "--run-as", "root", "--memory", "3G")
    status, output, errors = teimoso("service", "install", "--print", *flags)
    assert status == 0, errors
    text = output.splitlines()
    assert "StartLimitBurst=4" in text  # max_restarts
    assert f"StartLimitIntervalSec={4 * (5 + 32)}" in text  # min_uptime, and the longest pause
    assert {"RestartSec=500ms", "RestartSteps=6", "RestartMaxDelaySec=32000ms"} <= set(text)
    assert "MemoryMax=3G" in text  # max_memory_restart, of all of it
    assert {"User=root", "WantedBy=multi-user.target", "Restart=on-failure"} <= set(text)
    assert not list(tmp_path.iterdir()), "--print writes nothing"


def test_ten_short_lives_in_a_row_are_within_the_interval() -> None:
    settings = Settings.model_validate({})
    pauses, pause = [], settings.restart_backoff_base / 1000
    for _ in range(settings.max_restarts):
        pauses.append(min(pause, settings.restart_backoff_cap / 1000))
        pause *= 2
    lives = settings.max_restarts * settings.min_uptime / 1000
    assert units.interval(settings) >= lives + sum(pauses)


def test_uninstall_leaves_nothing_but_the_data(tmp_path: Path, teimoso: Command) -> None:
    if shutil.which("systemctl") is None:
        pytest.skip("systemctl is missing: Debian has it in the package systemd")
    data, flags = tmp_path / "data", ("--root", tmp_path, "--system", "--name", "teimoso-b")
    data.mkdir()
    assert teimoso("service", "install", *flags, "--data", data)[0] == 0
    units_of = tmp_path / "etc" / "systemd" / "system"
    assert (units_of / "multi-user.target.wants" / "teimoso-b.service").is_symlink()
    status, output, _ = teimoso("service", "uninstall", *flags, "--print", "--json")
    assert (status, json.loads(output)["done"]) == (0, False)
    assert (units_of / "teimoso-b.service").exists()
    assert teimoso("service", "uninstall", *flags)[0] == 0
    left = [path for path in units_of.rglob("*") if not path.is_dir()]
    assert not left
    assert data.is_dir()
    status, output, _ = teimoso("service", "uninstall", *flags)
    assert (status, output) == (0, f"There is no {units_of / 'teimoso-b.service'}.\n")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--name", "../sshd"), "'../sshd' is no name of a unit"),
        (("--memory", "much"), "'much' is no amount of memory"),
        (("--run-as", "no-such-user"), "There is no user no-such-user here."),
        (("--user", "--run-as", "root"), "--run-as is for a system unit"),
        (("--settings", "none.env"), "none.env does not exist."),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(
    tmp_path: Path, teimoso: Command, words: tuple[str, ...], sentence: str
) -> None:
    flags = ("--root", tmp_path, "--data", tmp_path, "--system")
    status, output, errors = teimoso("service", "install", *flags, *words)
    assert (status, output) == (1, "")
    assert sentence in errors
    assert not list(tmp_path.iterdir())


def test_without_systemd_nothing_is_written(
    tmp_path: Path, teimoso: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(systemd, "BOOTED", tmp_path / "none")
    status, _, errors = teimoso("service", "install", "--user", "--data", tmp_path)
    assert status == 1
    assert errors.startswith("systemd does not run this machine: --print shows what would be done")
    assert not list(tmp_path.iterdir())


@pytest.fixture
def systemctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """A systemd that runs the machine, and a `systemctl` that does what a script says."""
    (home := tmp_path / "home").mkdir()
    (programs := tmp_path / "bin").mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(systemd, "BOOTED", tmp_path)

    def does(script: str) -> Path:
        for name in ("systemctl", "loginctl"):
            program = programs / name
            program.write_text(f"#!/bin/sh\n{script}\n")
            program.chmod(0o755)
        return home / ".config" / "systemd" / "user" / "teimoso.service"

    return does


WITHOUT_BUS = "echo Failed to connect to bus: No medium found. >&2; exit 1"


def test_a_systemctl_that_fails_is_reported_with_the_remains(
    tmp_path: Path, teimoso: Command, systemctl: Callable[[str], Path]
) -> None:
    file = systemctl(WITHOUT_BUS)
    flags = ("--user", "--data", tmp_path)
    failed = "failed: Failed to connect to bus: No medium found."
    status, _, errors = teimoso("service", "install", *flags)
    assert status == 1
    assert errors == (
        f"`systemctl --user daemon-reload` {failed} {file} is written;"
        " `teimoso service uninstall` takes it away.\n"
    )
    status, _, errors = teimoso("service", "uninstall", "--user")
    disable = "`systemctl --user disable --now teimoso.service`"
    assert (status, errors) == (1, f"{disable} {failed} {file} is left as it is.\n")
    assert file.exists(), "what it starts may run"
    systemctl(f'case "$*" in *daemon-reload) {WITHOUT_BUS};; esac')
    status, _, errors = teimoso("service", "uninstall", "--user")
    reload = "`systemctl --user daemon-reload`"
    assert (status, errors) == (1, f"{reload} {failed} {file} is removed.\n")
    assert not file.exists()
    assert teimoso("service", "uninstall", "--user")[:2] == (0, f"There is no {file}.\n")


@pytest.mark.parametrize(
    ("version", "told"), [("252 (252.39-1~deb12u1)", True), ("254 (254)", False), ("?", False)]
)
def test_a_systemd_whose_pauses_do_not_grow_is_reported(
    tmp_path: Path, teimoso: Command, systemctl: Callable[[str], Path], version: str, told: bool
) -> None:
    systemctl(f"echo 'systemd {version}'")
    status, output, errors = teimoso("service", "install", "--user", "--data", tmp_path)
    assert status == 0, errors
    assert ("252: a unit always pauses RESTART_BACKOFF_BASE" in output) == told
    found = systemd.version()
    assert found is not None
    assert found.result == ("warn" if told else "ok")
