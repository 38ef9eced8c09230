"""Implements `teimoso open` and `teimoso dashboard`: opens a page of an instance in the browser, or prints its address."""

from __future__ import annotations

import webbrowser
from typing import TYPE_CHECKING

from gateway.cli import output
from gateway.cli.api_client import reachable, segment, settings_of
from gateway.cli.commands.jobs import open_own

if TYPE_CHECKING:
    from pathlib import Path


def run(data: Path, connection: str | None, as_json: bool, *, show: bool) -> None:
    """With `show`, or where there is no browser, the address is printed and nothing is opened."""
    page = "/" if connection is None else f"/console/connections/{segment(connection)}"
    _open(f"http://{reachable(settings_of(data))}{page}", as_json, show=show)


def run_dashboard(data: Path, as_json: bool, *, show: bool) -> None:
    """As `run`, once Ray's dashboard answers; it is started where it does not run."""
    from supervision.keeper.manifest import Plan  # noqa: PLC0415 - the console needs none of it

    plan = Plan.load(data)
    if plan is None or not plan.ray:
        output.refuse(f"The instance in {data} has no Ray of its own.")
    _open(open_own(data, plan), as_json, show=show)


def _open(address: str, as_json: bool, *, show: bool) -> None:
    opened = not show and webbrowser.open(address)
    if as_json:
        output.plain({"url": address, "opened": opened})
    else:
        output.console().print(address, soft_wrap=True)
