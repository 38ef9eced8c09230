"""Checks for `teimoso doctor` that each part of the instance runs; distinguishes one that starts from one that fell."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from gateway.cli.doctor.check_result import fail, ok, warn
from gateway.cli.instance.start_state import first_starts, starting
from supervision.keeper import process
from supervision.keeper.parts import ray_head

if TYPE_CHECKING:
    from collections.abc import Iterable

    from actors.config.settings import Settings
    from gateway.cli.doctor.check_result import CheckResult
    from gateway.cli.instance.instance_state import InstanceState
    from supervision.keeper.manifest import Plan

WAIT: Final = "wait until `teimoso status` says `ready`, then run this again"
ANSWERS_BY: Final = {"ray": "ray", "redis": "valkey"}
"""The part of the instance without which a check fails."""


def instance(seen: InstanceState) -> CheckResult:
    """Whether all of it runs, still starts, or has a part that fell or does not come."""
    if seen.ready:
        return ok("instance", "ready")
    words, now = "; ".join(seen.missing), time.time()
    if starting(seen, now):
        return warn("instance", f"it is starting: {words}", WAIT)
    begin = first_starts(seen.notes.values(), now)
    down = [
        note for note in seen.notes.values() if note.state != "ready" and note.role not in begin
    ]
    if not down:
        return warn("instance", words)
    logs = [process.RAY_TASK if note.role == "root" else note.role for note in down]
    shown = " and ".join(f"`logs/{log}.log`" for log in logs)
    restarts = "the keeper restarts it; " if any(note.falls for note in down) else ""
    return fail("instance", words, f"{restarts}{shown} may say why it does not run")


async def ray(settings: Settings, plan: Plan) -> CheckResult:
    """Whether the instance's own head answers."""
    if await ray_head.ready(plan.ports, dashboard=settings.ray_dashboard):
        return ok("ray", f"the head answers on 127.0.0.1:{plan.ports['ray_gcs']}")
    return fail("ray", "no answer", "the keeper restarts it; `logs/ray.log` says why it fell")


def excused(findings: Iterable[CheckResult], seen: InstanceState) -> list[CheckResult]:
    """Findings, where a failure is a warning while the part that should answer is in its first start; pure but for the time."""
    begin = first_starts(seen.notes.values(), time.time())
    return [
        replace(one, result="warn", found=f"{one.found}: {part} is starting", do=WAIT)
        if one.result == "fail" and (part := ANSWERS_BY.get(one.check)) in begin
        else one
        for one in findings
    ]
