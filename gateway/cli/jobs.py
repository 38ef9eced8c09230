"""`teimoso jobs …`: what is done now and then, as a job of the instance's Ray."""

# ruff: noqa: PLC0415
# Heavy modules wait until their command runs, and typer reads the annotations at runtime.

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli import output
from gateway.cli.options import DATA, Data, directory

if TYPE_CHECKING:
    from collections.abc import Sequence

app = typer.Typer(help="What is done now and then, as jobs of Ray.", no_args_is_help=True)

NAMES = (
    "redrive",
    "rewrap-keys",
    "verify-backups",
    "prune-messages",
    "export-connection",
    "recover-connection",
    "backup-redis",
)

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
    help=f"Submit a job and follow it: {', '.join(NAMES)}. Its own options follow its name.",
)
def run(
    context: typer.Context,
    job: Annotated[str, typer.Argument(metavar="JOB")],
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Until it is done.")] = True,
    dashboard: Dashboard = None,
    data: Data = DATA,
) -> None:
    place = directory(data)
    if job not in NAMES:
        output.refuse(f"{job!r} is no job; {', '.join(NAMES)} are.")
    words = placed(context.args)
    entry = [sys.executable, "-P", "-m", "supervision.jobs", job, *words]
    flags = () if wait else ("--no-wait",)
    _ray(place, dashboard, "submit", *flags, "--", *entry, "--data", str(place))


def placed(words: Sequence[str]) -> list[str]:
    """The job's options; what `--to` names is here, and not where Ray runs the job."""
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
def list_(dashboard: Dashboard = None, data: Data = DATA) -> None:
    """List the jobs that there are and were."""
    _ray(directory(data), dashboard, "list")


def _ray(data: Path, dashboard: str | None, verb: str, *words: str) -> None:
    """Have Ray's own command do it; ends with its exit status."""
    from supervision.keeper import python, rayhead
    from supervision.keeper.plan import Plan

    plan = Plan.load(data)
    if plan is None:
        output.refuse(f"Nothing was ever started in {data}: `teimoso up` does.")
    added = dict(python.paths())
    if plan.ray:
        dashboard = f"http://127.0.0.1:{plan.ports['ray_dashboard']}"
        added = rayhead.environment(data)
    if dashboard is None:
        output.refuse(
            "Where is the dashboard of the cluster? --dashboard http://HOST:8265 says it."
        )
    ray = (sys.executable, "-P", "-m", "ray.scripts.scripts", "job", verb)
    environment = {**os.environ, **added}
    done = subprocess.run(  # noqa: S603 - Ray's own command, and our own module
        [*ray, "--address", dashboard, *words],
        env={name: value for name, value in environment.items() if value},
        check=False,
    )
    raise typer.Exit(done.returncode)
