"""Implements `teimoso jobs …`: submits maintenance jobs to the instance's Ray cluster, and lists jobs."""

# ruff: noqa: PLC0415
# Heavy modules wait until their command runs, and typer reads the annotations at runtime.

from __future__ import annotations

import asyncio
import os
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli import output
from gateway.cli.confirmation import Yes, confirm
from gateway.cli.options import DATA, Data, Json, directory
from supervision.jobs import JOB_MODULES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from supervision.jobs.client import JobClient
    from supervision.keeper.manifest import Plan

app = typer.Typer(help="Occasional work, as jobs of Ray.", no_args_is_help=True)

JOB_LOSSES = {"prune-messages": "the messages that are older than its --days"}
"""The things that a job deletes, by its name; each is asked for."""

JOB_POLL_SECONDS = 0.5
"""Seconds between two looks at a job."""

Dashboard = Annotated[
    str | None,
    typer.Option(
        "--dashboard",
        metavar="URL",
        envvar="RAY_API_SERVER_ADDRESS",
        help="Of the cluster that RAY_ADDRESS names.",
    ),
]


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    help=f"Submit a job and follow it: {', '.join(JOB_MODULES)}. Its own options follow its name.",
)
def run(
    context: typer.Context,
    job: Annotated[str, typer.Argument(metavar="JOB", help="Its name.")],
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Until it is done.")] = True,
    *,
    dashboard: Dashboard = None,
    yes: Yes = False,
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """Exits with 1 where the job was waited for and did not succeed."""
    place = directory(data)
    if job not in JOB_MODULES:
        output.refuse(f"{job!r} is no job; {', '.join(JOB_MODULES)} are.")
    if job in JOB_LOSSES and not {"--dry-run", "--help", "-h"} & {*context.args}:
        confirm(f"The job {job}", [JOB_LOSSES[job]], yes=yes)
    words = placed(context.args)
    entry = [sys.executable, "-P", "-m", "supervision.jobs", job, *words, "--data", str(place)]
    client = _client(place, dashboard)
    if as_json:
        _run(client, entry, wait=wait)
    else:
        _follow(client, entry, wait=wait)


def _follow(client: JobClient, entry: Sequence[str], *, wait: bool) -> None:
    """Print each report of the job as it comes, and nothing of Ray's own; exit status 1 if it fails."""
    identity = client.submit(entry)
    output.console().print(identity)
    printed, ended = 0, not wait
    while not ended:
        time.sleep(JOB_POLL_SECONDS)
        status, ended = client.status(identity)
        lines = client.report(identity)
        for line in lines[printed:]:
            if "error" in line:
                output.refuse(sentence(line))
            output.console().print(sentence(line), soft_wrap=True)
        printed = len(lines)
        if ended and status != "SUCCEEDED":
            output.refuse(f"The job ended as {status}. {client.last_words(identity)}".strip())


def sentence(report: Mapping[str, Any]) -> str:
    """A line that a job reported, for a person: its facts, or the reason why it failed."""
    if "error" in report:
        return str(report["error"])
    result = report.get("result")
    facts = result if isinstance(result, dict) else report
    words = ", ".join(
        f"{name.replace('_', ' ')} {_fact(value)}"
        for name, value in facts.items()
        if name not in {"job", "dry_run"}
    )
    if result is None:
        return output.safe(words)
    done = "would be done" if report.get("dry_run") else "done"
    return output.safe(f"{done}: {words}" if words else done)


def _fact(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return str(value)


def _run(client: JobClient, entry: Sequence[str], *, wait: bool) -> None:
    """Print what became of the job: its id, Ray's status, and what it wrote of itself."""
    identity = client.submit(entry)
    status, ended = client.status(identity)
    while wait and not ended:
        time.sleep(JOB_POLL_SECONDS)
        status, ended = client.status(identity)
    progress = client.report(identity) if wait else []
    last: dict[str, Any] = {}
    if progress:
        last = progress.pop()
    report: dict[str, Any] = {"id": identity, "status": status, "progress": progress}
    for each in ("dry_run", "result", "code", "error"):
        if each in last:
            report[each] = last[each]
    output.plain(report)
    if wait and status != "SUCCEEDED":
        raise typer.Exit(1)


def placed(words: Sequence[str]) -> list[str]:
    """The job's options; the file of `--to` is here, and not where Ray runs the job."""
    found: list[str] = []
    for word in words:
        option, equals, value = word.partition("=")
        if found[-1:] == ["--to"]:
            found.append(str(Path(word).absolute()))
        elif option == "--to" and equals:
            found.append(f"--to={Path(value).absolute()}")
        else:
            found.append(word)
    return found


@app.command("list")
def list_(dashboard: Dashboard = None, data: Data = DATA, as_json: Json = False) -> None:
    """List the jobs that there are and were."""
    listed = _client(directory(data), dashboard).list()
    if as_json:
        output.plain({"items": [asdict(one) for one in listed]})
        return
    rows = (
        (one.id, one.status, one.job, _moment(one.started_at), _moment(one.ended_at))
        for one in listed
    )
    output.table(("id", "status", "job", "started at", "ended at"), rows, "There was no job yet.")


def _moment(seconds: float | None) -> str | None:
    return None if seconds is None else output.moment(seconds)


def _client(data: Path, dashboard: str | None) -> JobClient:
    """Ray's own client; ends the command where Ray does not answer."""
    address, environment = _where(data, dashboard)
    os.environ.update({name: value for name, value in environment.items() if value})
    from supervision.jobs.client import JobClient

    try:
        return JobClient(address)
    except ConnectionError:
        output.refuse(f"Ray does not answer at {address}: `teimoso status` says what runs.")


def open_own(data: Path, plan: Plan) -> str:
    """Open the dashboard of the instance's own Ray; ends the command where that does not answer."""
    from supervision.keeper.parts.ray_dashboard import DashboardAway, open_dashboard

    try:
        return asyncio.run(open_dashboard(data, plan))
    except DashboardAway as error:
        output.refuse(f"{error}: `teimoso status` says what runs.")


def _where(data: Path, dashboard: str | None) -> tuple[str, dict[str, str]]:
    """Ray's dashboard, and the environment of a process that calls it."""
    from supervision.keeper.manifest import Plan
    from supervision.keeper.parts import python_module, ray_head

    plan = Plan.load(data)
    if plan is None:
        output.refuse(f"Nothing was ever started in {data}: `teimoso up` does.")
    if plan.ray:
        return open_own(data, plan), ray_head.environment(data)
    if dashboard is None:
        output.refuse(
            "Where is the dashboard of the cluster? --dashboard http://HOST:8265 says it."
        )
    return dashboard, dict(python_module.paths())
