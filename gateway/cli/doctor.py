"""`teimoso doctor`: what would keep the service from running well, a line a check."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import sys
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

import typer
from rich.text import Text

from actors.connection.vault.bucket import BucketAway
from actors.redis.client import RedisAway, connect, durability, reach
from actors.settings import Settings
from gateway.cli import output
from gateway.cli.instance import CannotStart, could_be_made, exists, make_directory
from gateway.cli.view import look
from supervision.keeper import ports, rayhead
from supervision.keeper.plan import Plan, Unreadable
from supervision.keeper.valkey import NoServer, binary

if TYPE_CHECKING:
    from pathlib import Path

DISK = 1 << 30  # bytes below which it is called scarce
YEAR = 2025  # a clock before it is not set: WhatsApp's certificates and timestamps need a right one

Result = Literal["ok", "warn", "fail"]


@dataclass(frozen=True)
class Finding:
    """What a check found, in a sentence for a person."""

    check: str
    result: Result
    found: str


def run(data: Path, as_json: bool) -> None:
    findings = asyncio.run(examine(data))
    if as_json:
        output.plain({"findings": [asdict(finding) for finding in findings]})
    else:
        colours = {"ok": "green", "warn": "yellow", "fail": "red"}
        rows = ((Text(one.result, colours[one.result]), one.check, one.found) for one in findings)
        output.table(("", "check", "found"), rows, "")
    if any(finding.result == "fail" for finding in findings):
        raise typer.Exit(1)


async def examine(data: Path) -> list[Finding]:
    """Every check that makes sense in the state in which the instance is."""
    findings = [_python(), _directory(data), _disk(data), _clock(), _valkey()]
    try:
        plan = Plan.load(data)
    except Unreadable as error:
        findings.append(Finding("instance", "fail", str(error)))
        return findings
    try:
        settings = Settings.load(data)
    except (OSError, ValueError):
        findings.append(Finding("instance", "warn", "it was never started: `teimoso up`"))
        return findings
    if plan is None:
        return findings
    seen = await look(data)
    runs = bool(seen.entries)
    words = "ready" if seen.ready else "; ".join(seen.missing)
    findings.append(Finding("instance", "ok" if seen.ready else "warn", words))
    findings.append(_port(settings, plan, runs=runs))
    if runs or not plan.valkey:
        findings += await _redis(settings)
    if settings.session_storage_type != "local":
        findings.append(await _bucket(settings))
    if runs and plan.ray:
        alive = await rayhead.ready(plan.ports)
        words = f"the head answers on 127.0.0.1:{plan.ports['ray_gcs']}" if alive else "no answer"
        findings.append(Finding("ray", "ok" if alive else "fail", words))
    return findings


def _python() -> Finding:
    version = ".".join(str(part) for part in sys.version_info[:3])
    good = sys.version_info >= (3, 11)
    if good:
        return Finding("python", "ok", version)
    return Finding("python", "fail", f"{version}; 3.11 or newer is needed")


def _directory(data: Path) -> Finding:
    if not exists(data):
        reason = could_be_made(data)
        if reason is not None:
            return Finding("data directory", "fail", reason)
        return Finding("data directory", "warn", f"{data} does not exist yet")
    try:
        make_directory(data)
    except CannotStart as error:
        return Finding("data directory", "fail", str(error))
    return Finding("data directory", "ok", f"{data} can be written")


def _disk(data: Path) -> Finding:
    place = next(one for one in (data, *data.parents) if exists(one))
    free = shutil.disk_usage(place).free
    result: Result = "ok" if free >= DISK else "warn"
    return Finding("disk", result, f"{free / (1 << 30):.1f} GiB free")


def _clock() -> Finding:
    now = time.gmtime()
    good = now.tm_year >= YEAR
    return Finding("clock", "ok" if good else "fail", time.strftime("%Y-%m-%d %H:%M:%S UTC", now))


def _valkey() -> Finding:
    try:
        found = binary()
    except NoServer as error:
        return Finding("embedded valkey", "warn", str(error))
    good = os.access(found, os.X_OK)
    return Finding("embedded valkey", "ok" if good else "fail", str(found))


def _port(settings: Settings, plan: Plan, *, runs: bool) -> Finding:
    where = f"{settings.host}:{plan.port}"
    hindrance = None if runs else ports.hindrance(plan.port, settings.host)
    if hindrance == errno.EADDRINUSE:
        return Finding("port", "fail", f"{where} is in use by something else")
    if hindrance is not None:
        return Finding("port", "fail", f"{where}: {os.strerror(hindrance)}")
    return Finding("port", "ok", f"{where} is {'ours' if runs else 'free'}")


async def _bucket(settings: Settings) -> Finding:
    from actors.connection.vault.opening import open_bucket  # noqa: PLC0415 - heavy, seldom needed

    try:
        await open_bucket(settings).list("probe/")
    except BucketAway as away:
        return Finding("bucket", "fail", f"it does not answer: {away.reason}")
    return Finding("bucket", "ok", "it answers; `teimoso backup verify` reads what is in it")


async def _redis(settings: Settings) -> list[Finding]:
    redis = connect(settings)
    try:
        async with reach():
            begun = time.perf_counter()
            await redis.ping()
            took = (time.perf_counter() - begun) * 1000
        durable = await durability(redis)
    except RedisAway:
        return [Finding("redis", "fail", "it does not answer")]
    finally:
        await redis.aclose()
    kept = "what is accepted is on disk before the answer (G1)"
    return [
        Finding("redis", "ok", f"it answers within {took:.1f} ms"),
        Finding("durability", "ok" if durable.holds else "warn", durable.reason or kept),
    ]
