"""Implements `teimoso down`, and the end of `up`, by `supervision/keeper/shutdown.py`; prints the processes killed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from gateway.cli import output
from gateway.cli.instance import upgrade
from gateway.cli.instance.preparation import running
from supervision.keeper import shutdown
from supervision.keeper.lock import Held, held

if TYPE_CHECKING:
    from pathlib import Path


def run(data: Path, as_json: bool) -> None:
    """Stop the instance, and print the processes that had to be killed; an instance that does not run is no error."""
    if not running(data) and not held(data):
        if as_json:
            output.plain({"stopped": [], "killed": []})
        else:
            output.console().print(f"Nothing of {data} runs.")
        return
    stopped, killed = stop(data, quiet=as_json)
    if as_json:
        output.plain({"stopped": stopped, "killed": killed})


def stop(data: Path, *, quiet: bool) -> tuple[list[str], list[str]]:
    """Stop the instance; return the stopped processes, and those that had to be killed."""
    upgrade.forget(data)
    console = output.console()
    stopped: list[str] = []

    def report(role: str) -> None:
        stopped.append(role)
        if not quiet:
            console.print(f"stopping {role} …")

    try:
        killed = [entry.role for entry in asyncio.run(shutdown.stop(data, report))]
    except Held:
        output.refuse(f"The instance in {data} is being stopped already.")
    if not quiet:
        for role in killed:
            console.print(f"{role} did not end in time and was killed", style="yellow")
        console.print("Stopped. Nothing of it runs any more.")
    return stopped, killed
