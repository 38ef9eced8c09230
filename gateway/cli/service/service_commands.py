"""Implements `teimoso service install` and `uninstall`: writes or removes the systemd unit of an instance."""

# ruff: noqa: PLC0415, PLR0917
# Heavy modules wait until their command runs, and typer reads the annotations at runtime.

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli import output
from gateway.cli.options import DATA, Data, Json, directory
from gateway.cli.service import systemd, units

if TYPE_CHECKING:
    from actors.config.settings import Settings
    from gateway.cli.service.units import Scope

app = typer.Typer(help="The systemd unit that keeps an instance.", no_args_is_help=True)

Name = Annotated[str, typer.Option("--name", help="The unit's; another one for each instance.")]
System = Annotated[
    bool | None,
    typer.Option(
        "--system/--user", help="A unit of the machine, the default for root, or of the user."
    ),
]
Root = Annotated[
    Path,
    typer.Option("--root", metavar="DIR", help="Of another system: an image that is being made."),
]
Print = Annotated[bool, typer.Option("--print", help="Show what would be done, and do nothing.")]


class CannotInstall(Exception):
    """The unit cannot be installed; the message is the reason, a sentence for a person."""


@app.command()
def install(
    name: Name = "teimoso",
    system: System = None,
    user: Annotated[
        str | None,
        typer.Option("--run-as", metavar="USER", help="Owner of the processes of a system unit."),
    ] = None,
    settings: Annotated[
        Path | None, typer.Option("--settings", metavar="FILE", help="As of `teimoso up`.")
    ] = None,
    memory: Annotated[
        str, typer.Option("--memory", help="The most that all of it may hold: 4G, or 80%.")
    ] = "90%",
    start: Annotated[bool, typer.Option("--start/--no-start", help="Also start it now.")] = True,
    root: Root = Path("/"),
    show: Print = False,
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """Have systemd start the instance with the machine, and again whenever it falls.

    Restarts, pauses and limits follow from MAX_RESTARTS, MIN_UPTIME, RESTART_BACKOFF_BASE and
    RESTART_BACKOFF_CAP as they are now. Do it again after they change.
    """
    try:
        scope = _scope(system)
        file = _file(name, scope, root)
        place = directory(data)
        chosen, resolved = _settings(place, settings)
        owner = _run_as(user, scope, place)
        unit = units.Unit(scope, _command(), place, chosen, owner, _memory(memory))
        text = unit.text(resolved)
        done = not show
        commands = _installing(name, scope, root, start=start)
        if done:
            _check_booted(root)
            _write(file, text)
            _run(commands, f"{file} is written; `teimoso service uninstall` takes it away.")
    except CannotInstall as refusal:
        output.refuse(str(refusal))
    if as_json:
        output.plain({"file": str(file), "text": text, "commands": commands, "done": done})
    elif show:
        _show(file, text, commands)
    else:
        output.console().print(
            f"{file} is written and enabled.\nIts first API key: `teimoso keys create NAME` once"
            " it runs.",
            soft_wrap=True,
        )
        if (found := systemd.version()) is not None and found.result != "ok":
            output.console().print(f"systemd {found.found}; {found.do}.", soft_wrap=True)


@app.command()
def uninstall(
    name: Name = "teimoso",
    system: System = None,
    root: Root = Path("/"),
    show: Print = False,
    as_json: Json = False,
) -> None:
    """Drain and stop the instance, and have systemd forget it. Its data stay."""
    try:
        scope = _scope(system)
        file = _file(name, scope, root)
        commands = _uninstalling(name, scope, root)
        there = file.exists()
        if there and not show:
            _check_booted(root)
            _run(commands[:1], f"{file} is left as it is.")
            file.unlink()
            _run(commands[1:], f"{file} is removed.")
    except CannotInstall as refusal:
        output.refuse(str(refusal))
    except OSError as error:
        output.refuse(f"{file} cannot be removed: {error.strerror or type(error).__name__}.")
    if as_json:
        shown = {"file": str(file), "commands": commands if there else []}
        output.plain({**shown, "done": there and not show})
    elif not there:
        output.console().print(f"There is no {file}.", soft_wrap=True)
    else:
        for command in commands if show else ():
            output.console().print(" ".join(command), soft_wrap=True)
        output.console().print(
            f"{file} {'would be' if show else 'is'} removed; the data stay.", soft_wrap=True
        )


def _scope(system: bool | None) -> Scope:
    chosen = os.geteuid() == 0 if system is None else system
    return "system" if chosen else "user"


def _file(name: str, scope: Scope, root: Path) -> Path:
    if not units.UNIT_NAME.fullmatch(name):
        raise CannotInstall(f"{name!r} is no name of a unit: small letters, digits, - _ and . are.")
    place = units.directory(scope, root.absolute(), Path.home())
    return place / f"{name}.service"


def _memory(amount: str) -> str:
    if not units.MEMORY_PATTERN.fullmatch(amount):
        raise CannotInstall(f"{amount!r} is no amount of memory: 4G, 80% or infinity is.")
    return amount


def _settings(data: Path, file: Path | None) -> tuple[Path | None, Settings]:
    """The settings file that the unit names, and what the instance goes by."""
    from actors.config.settings import InvalidSettings, Settings

    if file is not None:
        file = file.expanduser().absolute()
    try:
        if file is None and data.is_dir():
            return None, Settings.load(data)
    except (OSError, ValueError):
        pass  # never started: the environment counts
    from actors.config.sources import resolve_settings

    try:
        return file, resolve_settings(file, data=data)
    except InvalidSettings as error:
        raise CannotInstall(str(error)) from None


def _command() -> Path:
    """The command itself: beside the interpreter, or as it was called."""
    beside = Path(sys.executable).with_name("teimoso")
    if beside.exists():
        return beside
    found = shutil.which(sys.argv[0])
    if found is None:
        raise CannotInstall("The command `teimoso` is not installed: `make setup` installs it.")
    return Path(found).absolute()


def _run_as(user: str | None, scope: Scope, data: Path) -> str | None:
    """The owner of a system unit's processes: the named user, or the directory's owner."""
    import pwd

    if scope == "user":
        if user is not None:
            raise CannotInstall("--run-as is for a system unit; a user's runs as that user.")
        return None
    try:
        if user is not None:
            return pwd.getpwnam(user).pw_name
        there = next(place for place in (data, *data.parents) if place.exists())
        return pwd.getpwuid(there.stat().st_uid).pw_name
    except KeyError:
        raise CannotInstall(f"There is no user {user or 'who owns ' + str(data)} here.") from None
    except OSError as error:
        raise CannotInstall(f"{data} cannot be looked at: {error.strerror}.") from None


def _installing(name: str, scope: Scope, root: Path, *, start: bool) -> list[list[str]]:
    if str(root) != "/":
        return [_systemctl(scope, root, "enable", f"{name}.service")]
    commands = [
        _systemctl(scope, root, "daemon-reload"),
        _systemctl(scope, root, "enable", *(("--now",) if start else ()), f"{name}.service"),
    ]
    if scope == "user":
        # A user's units start with the machine only where the user lingers.
        commands.append(["loginctl", "enable-linger"])
    return commands


def _uninstalling(name: str, scope: Scope, root: Path) -> list[list[str]]:
    if str(root) != "/":
        return [_systemctl(scope, root, "disable", f"{name}.service")]
    return [
        _systemctl(scope, root, "disable", "--now", f"{name}.service"),
        _systemctl(scope, root, "daemon-reload"),
    ]


def _systemctl(scope: Scope, root: Path, *words: str) -> list[str]:
    if str(root) != "/":
        place = () if scope == "system" else ("--global",)
        return ["systemctl", f"--root={root.absolute()}", *place, *words]
    return ["systemctl", *(("--user",) if scope == "user" else ()), *words]


def _check_booted(root: Path) -> None:
    if str(root) == "/" and not systemd.BOOTED.exists():
        raise CannotInstall(
            "systemd does not run this machine: --print shows what would be done, --root DIR does it"
            " in another one's tree."
        )


def _write(file: Path, text: str) -> None:
    from actors.runtime.atomic_files import write_atomically

    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(file, text)
        file.chmod(0o644)
    except OSError as error:
        raise CannotInstall(
            f"{file} cannot be written: {error.strerror or type(error).__name__}."
        ) from None


def _run(commands: list[list[str]], state: str) -> None:
    """Run them; raises `CannotInstall`, with the `state` in which it leaves the unit."""
    for command in commands:
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
        except OSError as error:
            raise CannotInstall(f"{command[0]} does not run: {error.strerror}. {state}") from None
        if done.returncode != 0:
            lines: Any = (done.stderr or done.stdout).strip().splitlines()
            reason = lines[-1].rstrip(".") if lines else f"status {done.returncode}"
            raise CannotInstall(f"`{' '.join(command)}` failed: {reason}. {state}")


def _show(file: Path, text: str, commands: list[list[str]]) -> None:
    console = output.console()
    console.print(f"# {file}", soft_wrap=True)
    console.print(text, soft_wrap=True)
    for command in commands:
        console.print(f"# then: {' '.join(command)}", soft_wrap=True)
