"""Runs the checks of `teimoso doctor` that fit the instance's state, and prints one line for each check."""

from __future__ import annotations

import asyncio
import time
from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from actors.config.settings import Settings
from gateway.cli import output
from gateway.cli.doctor.check_result import fail, warn
from gateway.cli.doctor.checks import machine
from gateway.cli.doctor.checks.bucket import bucket
from gateway.cli.doctor.checks.engines import whatsmeow
from gateway.cli.doctor.checks.instance import excused, instance, ray
from gateway.cli.doctor.checks.redis import redis
from gateway.cli.doctor.checks.store import store
from gateway.cli.doctor.checks.whatsapp import whatsapp
from gateway.cli.instance.instance_state import look
from gateway.cli.instance.preparation import CannotStart, Wish, wanted
from gateway.cli.instance.start_state import first_starts
from gateway.cli.service import systemd
from supervision.keeper.manifest import Plan, UnreadableManifest

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.cli.doctor.check_result import CheckResult


def run(data: Path, settings_file: Path | None, as_json: bool) -> None:
    """Print all findings; exits with 1 where one of them is a failure."""
    findings = asyncio.run(examine(data, settings_file))
    if as_json:
        output.plain({"findings": [asdict(finding) for finding in findings]})
    else:
        rows = ((output.severity(one.result), one.check, one.found, one.do) for one in findings)
        output.table(("", "check", "found", "what to do"), rows, "")
    if any(finding.result == "fail" for finding in findings):
        raise typer.Exit(1)


async def examine(data: Path, settings_file: Path | None = None) -> list[CheckResult]:
    """Every check that makes sense in the state in which the instance is.

    One that does not run is examined by the settings of its next start.
    """
    findings = [
        machine.python(),
        machine.ray(),
        machine.files(),
        machine.directory(data),
        machine.disk(data),
        machine.clock(data),
        machine.authorities(data),
        machine.valkey(),
    ]
    if (found := systemd.version()) is not None:
        findings.append(found)
    findings += await whatsmeow(data)
    try:
        Plan.load(data)
        keeper = await machine.keeper(data)
        stored = Plan.load(data)  # with the ports of a keeper that began just now
    except UnreadableManifest as error:
        return [*findings, fail("instance", str(error), "see what is in it")]
    seen = await look(data)
    runs = bool(seen.entries)
    try:
        if runs and stored is not None:
            settings, plan = Settings.load(data), stored
        else:
            settings, plan = wanted(data, Wish(settings_file=settings_file), stored)
    except CannotStart as error:
        return [*findings, fail("settings", str(error), "`docs/settings.md` explains each")]
    except (OSError, ValueError):
        where = f"{data / 'runtime.json'} cannot be read"
        return [*findings, fail("instance", where, "`teimoso down`, then `teimoso up` writes it")]
    findings.append(keeper)
    findings.append(machine.port(settings.host, plan.port, runs=runs))
    if stored is None:
        findings.append(warn("instance", "it was never started: `teimoso up`"))
    else:
        findings.append(instance(seen))
        # Until the simulator reports its address, the settings have the real one.
        if "simulator" not in first_starts(seen.notes.values(), time.time()) and (
            runs or not plan.simulate
        ):
            findings += await whatsapp(settings)
    return findings + excused(await _others(settings, plan, runs=runs), seen)


async def _others(settings: Settings, plan: Plan, *, runs: bool) -> list[CheckResult]:
    """Ray, Redis, the state store and the bucket, as far as they are there to be asked."""
    findings = []
    if plan.ray:
        findings.append(await ray(settings, plan) if runs else machine.shared_memory())
    if runs or not plan.valkey:
        findings += await redis(settings)
    findings += await store(settings, runs=runs)
    if settings.session_storage_type != "local":
        findings += await bucket(settings)
    return findings
