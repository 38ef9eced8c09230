"""Implements `teimoso up`: starts the instance, waits until ready, stays attached; Ctrl-C then stops the instance."""

from __future__ import annotations

import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from gateway.cli import output
from gateway.cli.instance import preparation, progress, upgrade
from gateway.cli.instance.down import stop
from gateway.cli.instance.preparation import CannotStart, Wish
from gateway.cli.instance.welcome import facts, welcome
from supervision.backup.unfinished import unfinished
from supervision.keeper import process, shutdown
from supervision.keeper.lock import held
from supervision.keeper.manifest import Plan
from supervision.keeper.parts.process_specs import PROCESSES
from supervision.reports import process_files

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

KEEPER_START_SECONDS = 20.0  # seconds that a new keeper has to show itself
GLANCE = 0.5  # seconds between two looks at the keeper


class StopRequested(Exception):
    """SIGINT or SIGTERM: a person who stays attached wants all of it to stop."""


@dataclass(frozen=True)
class Begun:
    """The result of `up`: the plan, a key that was made, and the parts that ran before."""

    plan: Plan
    key: str | None
    attached: tuple[str, ...]


def run(data: Path, wish: Wish, detach: bool, as_json: bool) -> None:
    """Start the instance and stay until Ctrl-C or SIGTERM, which stop it; with `detach` return once it is ready."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _request_stop)
    try:
        begun = _begin(data, wish)
    except CannotStart as error:
        output.refuse(str(error))
    except StopRequested:
        raise typer.Exit(130) from None
    try:
        child = None if held(data) else preparation.launch_keeper(data)
        with progress.display(quiet=as_json) as shown:
            _await_keeper(data, child)
            progress.wait(data, begun.plan.roles, shown, lambda: _check(data, child))
        _report(data, begun, as_json)
        if not detach:
            _stay(data, as_json)
    except progress.NotStarted as error:
        _fail(data, begun, str(error), as_json)
    except StopRequested:
        if begun.attached and detach:
            raise typer.Exit(130) from None
        _stop(data, as_json)


def _begin(data: Path, wish: Wish) -> Begun:
    new = preparation.make_directory(data)
    try:
        return _prepare(data, wish)
    except CannotStart:
        if new:
            with suppress(OSError):
                data.rmdir()
        raise


def _prepare(data: Path, wish: Wish) -> Begun:
    if shutdown.stopping(data):
        if held(data):
            raise CannotStart(f"The instance in {data} is being stopped: wait until it is.")
        shutdown.forget(data)
    if unfinished(data):
        raise CannotStart(f"A restore into {data} was cut off: `teimoso restore` begins it anew.")
    upgrade.forget(data)
    stored = Plan.load(data)
    attached = tuple(entry.role for entry in process_files.read(data, PROCESSES))
    settings, plan = preparation.wanted(data, wish, stored)
    if attached and stored is not None:
        refusal = preparation.conflict(wish, stored)
        if refusal is not None:
            raise CannotStart(refusal)
        return Begun(stored, preparation.first_key(settings), attached)
    preparation.check_ports(settings, plan)
    preparation.check_room(data)
    preparation.check_authorities(data)
    preparation.check_redis(settings)
    preparation.make_bucket(settings)
    plan.save(data)
    settings.save()
    return Begun(plan, preparation.first_key(settings), ())


def _await_keeper(data: Path, child: subprocess.Popen[bytes] | None) -> None:
    """Wait until the keeper of this start wrote its files; files of an older one are not read."""
    deadline = time.monotonic() + KEEPER_START_SECONDS
    while not any(entry.role == "keeper" for entry in process_files.read(data, PROCESSES)):
        _check(data, child)
        if time.monotonic() > deadline:
            raise progress.NotStarted(
                f"The keeper does not start. Its log: {process.log_of(data, 'keeper')}"
            )
        time.sleep(0.05)


def _check(data: Path, child: subprocess.Popen[bytes] | None) -> None:
    if child is not None and child.poll() is not None and not held(data):
        words = process.last_words(data, "keeper")
        raise progress.NotStarted(
            f"The keeper ended: {words} Its log: {process.log_of(data, 'keeper')}"
        )


def _report(data: Path, begun: Begun, as_json: bool) -> None:
    # The keeper chose the ports that were left to it.
    report: dict[str, Any] = facts(data, Plan.load(data) or begun.plan, begun.key, begun.attached)
    if as_json:
        output.plain(report)
    else:
        welcome(report)


def _stay(data: Path, as_json: bool) -> None:
    """Stay attached. A keeper that died is replaced, alone or with everything; after a stop, end."""
    if not as_json:
        output.console().print("\nCtrl-C stops all of it.", style="dim")
    while True:
        time.sleep(GLANCE)
        if held(data):
            continue
        if shutdown.stopping(data) or not process_files.names_any(data, PROCESSES):
            return
        left = bool(process_files.read(data, PROCESSES))
        preparation.launch_keeper(data)
        if not as_json:
            output.console().print(
                "The keeper was gone; a new one attached to what runs."
                if left
                else "All of it was gone; a new keeper starts it again."
            )
        time.sleep(2.0)


def _fail(data: Path, begun: Begun, reason: str, as_json: bool) -> NoReturn:
    """Say what did not start. Processes from before go on; else nothing is left running."""
    if not begun.attached:
        _stop(data, quiet=True)
    if as_json:
        output.plain({"ready": False, "reason": reason})
    output.refuse(reason)


def _stop(data: Path, quiet: bool) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # it is bounded, and half a stop helps nobody
    stop(data, quiet=quiet)


def _request_stop(*_: object) -> NoReturn:
    raise StopRequested
