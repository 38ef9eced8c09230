"""Carries out the steps of `teimoso engine`: look, build, move the canary, watch it, move the others or it back.

`engine.json` has the step: it names the canary from before its restart until the decision, and the new version for all
before the others restart. A death at any time leaves one of these, and the next call goes on from there.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from actors.config.settings import Settings
from actors.connection.whatsmeow.program.executable import (
    BUILT,
    INSTALLED,
    ProgramChoice,
    built,
    installed,
)
from actors.health.engine_look import EngineLook, made_at
from actors.redis.client import RedisAway
from actors.runtime.atomic_files import held
from actors.runtime.connection_ids import name_of
from actors.state.documents import StoreAway
from gateway.cli import output
from gateway.cli.engine import canary, program_build
from gateway.cli.engine.canary import ProgramMover
from gateway.cli.engine.program_build import EngineFailed
from gateway.cli.instance import preparation
from gateway.cli.instance.upgrade import Stopped
from supervision.keeper.manifest import Plan, UnreadableManifest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass(frozen=True)
class TryOptions:
    """Options of a try: commit and canary by name, seconds of the watch and of each restart, what is allowed."""

    version: str | None
    connection: str | None
    seconds: float
    within: float
    migrate: bool
    unless_refused: bool


class Report:
    """Prints each step for a person, or all of them as one JSON document at the end."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._steps: list[str] = []

    def __call__(self, step: str) -> None:
        self._steps.append(step)
        if not self._as_json:
            output.console().print(step, soft_wrap=True)

    def end(self, outcome: str, reason: str | None = None) -> None:
        """`outcome` is `moved`, `returned`, `nothing` or `failed`; with a reason the command ends with status 1."""
        if self._as_json:
            output.plain({"steps": self._steps, "outcome": outcome, "reason": reason})
        if reason is not None:
            output.refuse(reason)


def show(data: Path, *, as_json: bool) -> None:
    """Look, note what was found, and print it."""
    choice = ProgramChoice.read(data)
    used = _used(choice)
    look = _look(data, used)
    connections = canary.running(data)
    report: dict[str, Any] = {
        "version": used,
        "made_at": _date(used),
        "age_days": None
        if (made := made_at(used)) is None
        else int((look.at - made.timestamp()) // 86_400),
        "installed": choice.version is None,
        "newest": look.newest,
        "newest_made_at": _date(look.newest),
        "newest_unknown": look.unknown,
        "canary": None
        if choice.canary is None
        else {"connection": name_of(choice.canary), "version": choice.candidate},
        "refused": look.refused,
        "refused_because": look.why,
        "connections": connections,
    }
    output.show_one(report, as_json=as_json)
    if look.newest is None:
        raise typer.Exit(1)


def run(data: Path, options: TryOptions, *, as_json: bool) -> None:
    """Carry out a try, or go on with the one that was broken off."""
    with _steps(data, as_json=as_json) as report:
        choice = ProgramChoice.read(data)
        if choice.canary is None:
            used = _used(choice)
            version = _wanted(data, used, options)
            if version is None:
                asyncio.run(_settle(data, options.within, report))
                report(f"{used} is in use, and nothing newer is known")
                report.end("nothing")
                return
            report(f"building with whatsmeow {version}, and trying it on a simulator")
            program_build.build(data, version)
            asyncio.run(_begin(data, choice, version, options, report))
        else:
            report(f"going on with {choice.candidate}")
        asyncio.run(_finish(data, options, report))


def back(data: Path, within: float, *, as_json: bool) -> None:
    """Drop the canary, or else the version for all, and restart whatever runs it."""
    with _steps(data, as_json=as_json, running=False) as report:
        choice = ProgramChoice.read(data)
        stays = choice.canary is not None or canary.unsettled(data)
        former = choice.version if stays else None
        asyncio.run(_return(data, former, within, report))
        report.end("returned")


async def _begin(
    data: Path, choice: ProgramChoice, version: str, options: TryOptions, report: Report
) -> None:
    """Choose the canary, with consent to what goes only forward; from here on `engine.json` names it."""
    schema = program_build.schema_of(built(data, version))
    async with ProgramMover.opened(data, report) as mover:
        connection = await mover.choose(options.connection)
        schemas = await mover.schemas()
    for each, (_, least) in schemas.items():
        if least > schema:
            raise EngineFailed(
                f"the keys of {name_of(each)} need a program of schema {least}, and this one has {schema}."
            )
    older = sorted(name_of(each) for each, (now, _) in schemas.items() if now < schema)
    if older and not options.migrate:
        _consent(older, schema)
    replace(choice, canary=connection, candidate=version).write(data)


def _consent(older: list[str], schema: int) -> None:
    """Ask whether keys may change to a newer schema; raises `EngineFailed` without a yes."""
    change = (
        f"the keys of {', '.join(older)} would change to schema {schema}, which goes only forward"
    )
    if not sys.stdin.isatty():
        raise EngineFailed(f"{change}. Nothing was done: --migrate does it.")
    sys.stderr.write(f"T{output.safe(change[1:])}. Go on? [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise EngineFailed("nothing was done.")


async def _finish(data: Path, options: TryOptions, report: Report) -> None:
    """Move the canary where it has not moved, watch it, and decide."""
    choice = ProgramChoice.read(data)
    assert choice.canary is not None
    assert choice.candidate is not None
    name = name_of(choice.canary)
    async with ProgramMover.opened(data, report) as mover:
        try:
            await mover.settle(options.within, only=choice.canary)
            report(f"watching {name} for {options.seconds:.0f} s")
            reason, faulty = await mover.watch(choice.canary, options.seconds)
        except Stopped as error:
            reason, faulty = str(error), True
        if reason is None:
            ProgramChoice(choice.candidate).write(data)
            await mover.settle(options.within)
    if reason is not None:
        await _return(data, choice.version, options.within, report)
        if faulty:
            _note(data, refused=choice.candidate, why=reason)
        report.end(
            "returned", f"{name} went back to {choice.version or 'the installed program'}: {reason}"
        )
        return
    _note(data, used=choice.candidate)
    _prune(data)
    report.end("moved")


async def _return(data: Path, former: str | None, within: float, report: Report) -> None:
    """Have all connections run the former program again; raises `EngineFailed` where it cannot open their keys."""
    if not preparation.running(data):
        ProgramChoice(former).write(data)
        return
    file = installed() if former is None else built(data, former)
    if file is None:
        raise EngineFailed(f"{INSTALLED} is not there.")
    schema = program_build.schema_of(file)
    async with ProgramMover.opened(data, report) as mover:
        for each, (now, least) in (await mover.schemas()).items():
            if least > schema:
                raise EngineFailed(
                    f"the keys of {name_of(each)} have schema {now}, and {canary.describe(file)} has {schema}:"
                    " they go only forward."
                )
        ProgramChoice(former).write(data)
        await mover.settle(within)
    _prune(data)


async def _settle(data: Path, within: float, report: Report) -> None:
    """Move the connections that a try that was broken off left behind."""
    async with ProgramMover.opened(data, report) as mover:
        await mover.settle(within)


def _wanted(data: Path, used: str, options: TryOptions) -> str | None:
    """The version to try; None where the one in use is the newest, or is the one that is named."""
    if options.version is not None:
        version = program_build.resolve(options.version)
        return None if version == used else version
    look = _look(data, used, with_package=True)
    if look.newest is None:
        raise EngineFailed(f"nobody here can know the newest commit: {look.unknown}")
    made, ours = made_at(look.newest), made_at(used)
    if made is None or (ours is not None and made <= ours):
        return None
    if options.unless_refused and look.newest == look.refused:
        raise EngineFailed(f"a connection returned from {look.newest}: {look.why}")
    return look.newest


def _look(data: Path, used: str, *, with_package: bool = False) -> EngineLook:
    """Look for the newest commit, and note what was found."""
    look, before = program_build.look(used, with_package=with_package), EngineLook.read(data)
    if before is not None:
        look = replace(look, refused=before.refused, why=before.why)
    if data.is_dir():
        look.write(data)
    return look


def _note(data: Path, **changes: str) -> None:
    """Note the outcome of a try beside the last look."""
    look = EngineLook.read(data) or EngineLook(time.time(), changes.get("used", ""))
    replace(look, **changes).write(data)  # type: ignore[arg-type]


def _used(choice: ProgramChoice) -> str:
    """The version of whatsmeow that connections run, but for a canary."""
    if choice.version is not None:
        return choice.version
    file = installed()
    if file is None:
        output.refuse(f"{INSTALLED} is not there: `make setup`, or its wheel, brings it.")
    return program_build.version_of(file) or "unknown"


def _prune(data: Path) -> None:
    """Remove the programs that no connection is to run any more."""
    kept = {*ProgramChoice.read(data).versions}
    for folder in (data / BUILT).iterdir():
        if folder.is_dir() and folder.name not in kept:
            shutil.rmtree(folder, ignore_errors=True)


def _date(version: str | None) -> str | None:
    made = made_at(version or "")
    return None if made is None else f"{made:%Y-%m-%d}"


@contextmanager
def _steps(data: Path, *, as_json: bool, running: bool = True) -> Iterator[Report]:
    """One command at a time on an instance of this host; a step that fails ends it with a sentence."""
    report = Report(as_json=as_json)
    try:
        _check(data, running=running)
        (data / BUILT).mkdir(mode=0o700, exist_ok=True)
        with held(data / BUILT / "lock") as ours:
            if not ours:
                raise EngineFailed("another `teimoso engine` is at work here.")  # noqa: TRY301
            yield report
    except (EngineFailed, Stopped) as error:
        _failed(report, str(error))
    except (RedisAway, StoreAway):
        _failed(report, "Redis or the state store is away; the same command goes on from there.")


def _failed(report: Report, reason: str) -> NoReturn:
    report.end("failed", reason[:1].upper() + reason[1:])
    raise AssertionError  # the report ends the command


def _check(data: Path, *, running: bool) -> None:
    try:
        plan = Plan.load(data)
    except UnreadableManifest as error:
        raise EngineFailed(str(error)) from None
    if plan is None or (running and not preparation.running(data)):
        raise EngineFailed(f"nothing of {data} runs: `teimoso up` starts it.")
    if not plan.ray or Settings.load(data).several_hosts:
        raise EngineFailed(
            "this instance has several hosts, and each needs its program: install it on all of them."
        )
