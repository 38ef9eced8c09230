"""Implements `teimoso open`: opens the console of an instance in the browser, or prints its address."""

from __future__ import annotations

import webbrowser
from typing import TYPE_CHECKING

from gateway.cli import output
from gateway.cli.api_client import reachable, segment, settings_of

if TYPE_CHECKING:
    from pathlib import Path


def run(data: Path, connection: str | None, as_json: bool, *, show: bool) -> None:
    """With `show`, or where there is no browser, the address is printed and nothing is opened."""
    page = "/" if connection is None else f"/console/connections/{segment(connection)}"
    address = f"http://{reachable(settings_of(data))}{page}"
    opened = not show and webbrowser.open(address)
    if as_json:
        output.plain({"url": address, "opened": opened})
    else:
        output.console().print(address, soft_wrap=True)
