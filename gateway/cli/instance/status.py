"""Implements `teimoso status`: prints the instance's processes and connections, whether all are ready, and its addresses."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import typer

from actors.runtime.connection_ids import name_of
from gateway.cli import output
from gateway.cli.instance import instance_state, start_state

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gateway.cli.instance.instance_state import InstanceState

NOTHING_RUNS = 3  # as the exit status of `status` in the Linux Standard Base


def run(data: Path, as_json: bool) -> None:
    """Print processes, connections and addresses; exits with `NOTHING_RUNS` where no process runs."""
    seen = asyncio.run(instance_state.look(data))
    if as_json:
        output.plain(seen.as_json())
    else:
        output.table(*table(seen), f"Nothing of {data} runs.")
        console = output.console()
        if seen.ready:
            console.print("\nready", style="green")
        else:
            starts = start_state.starting(seen, time.time())
            console.print("\nstarting:" if starts else "\nnot ready:", style="yellow")
        for reason in seen.missing:
            console.print(f"  {reason}")
        for name, address in seen.addresses.items():
            console.print(f"{name}  {address}", soft_wrap=True)
    if not seen.entries:
        raise typer.Exit(NOTHING_RUNS)


def table(seen: InstanceState) -> tuple[tuple[str, ...], list[tuple[object, ...]]]:
    """The columns, and a line a process; hosts have a column where there are several."""
    several = len({entry.host for entry in seen.entries}) > 1
    columns = ("role", "connection", "host", "pid", "memory", "cpu", "state")
    shown = [number for number, name in enumerate(columns) if several or name != "host"]
    lines = (tuple(line[number] for number in shown) for line in _lines(seen))
    return tuple(columns[number] for number in shown), list(lines)


def _lines(seen: InstanceState) -> Iterator[tuple[object, ...]]:
    """A line for each process; those that Ray runs for itself share one."""
    helpers = 0
    states = {line.id: line.state for line in seen.connections}
    shown = set()
    for entry in seen.entries:
        if entry.role == "ray" and "ray" in shown:
            helpers += 1
            continue
        shown.add(entry.role)
        note = seen.notes.get(entry.role)
        name = name_of(entry.connection or "")
        usage = seen.usage.get(entry)
        yield (
            entry.role,
            name or None,
            entry.host,
            entry.pid,
            usage and f"{usage.memory >> 20} MiB",
            usage and f"{usage.cpu:.0f} s",
            states.get(name) or (note.state if note else "runs"),
        )
    if helpers:
        yield "ray", None, None, f"and {helpers} more", None, None, "runs"
