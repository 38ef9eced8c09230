"""Implements `teimoso simulate trace` and `compare`: has the simulator record stanzas; compares a trace with another."""

# ruff: noqa: PLC0415, TC003
# Heavy modules wait until their command runs, and typer reads the annotations at runtime.

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli import output
from gateway.cli.options import DATA, Data, Json, directory
from gateway.cli.simulate.simulate import control_port

app = typer.Typer()

_DIFFERENCES = {
    "never_sent": ("The simulator never sent", ("kind", "what", "times", "at")),
    "never_seen": ("The simulator never saw", ("kind", "what", "times", "at")),
    "unanswered": ("Nobody answered", ("dir", "kind", "id", "seconds", "at")),
}
"""Of the report: title and columns of each list."""


@app.command()
def trace(
    number: Annotated[
        str | None, typer.Argument(metavar="NUMBER", help="The account; all without it.")
    ] = None,
    begin: Annotated[
        bool | None, typer.Option("--start/--stop", help="Record, or record no more.")
    ] = None,
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """Record the shape of the accounts' traffic; without an option say what is recorded.

    The files hold no text, name, number, key or token.
    """
    from gateway.cli.api_client import segment

    path = "/trace" if number is None else f"/accounts/{segment(number)}/trace"
    with control_port(directory(data)) as control:
        answer = control.switch(path, begin)
    if as_json:
        output.plain(answer)
        return
    if number is None:
        sentence = "All accounts are recorded." if answer["tracing"] else "Not all are recorded."
    else:
        sentence = f"{number} is {'' if answer['tracing'] else 'not '}recorded."
    output.console().print(sentence)
    rows = [list(each.values()) for each in answer["files"]]
    output.table(("file", "lines", "dropped", "error"), rows, "No file is written now.")


@app.command()
def compare(
    trace: Annotated[Path, typer.Argument(metavar="TRACE", help="The file of a recorded trace.")],
    as_json: Json = False,
) -> None:
    """Show where a trace, of a real account or of any client, differs from what the simulator sends.

    Nothing has to run for it.
    """
    import json
    import subprocess
    import sys

    command = [sys.executable, "-m", "simulator.trace", str(trace)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if ran.returncode:
        output.refuse(ran.stderr)
    answer = json.loads(ran.stdout)
    if as_json:
        output.plain(answer)
        return
    for field, (title, columns) in _DIFFERENCES.items():
        output.console().print(f"{title}: {len(answer[field]) or 'nothing'}")
        if answer[field]:
            output.show({"items": answer[field]}, columns, as_json=False, empty="")
    if answer["dropped"]:
        output.console().print(f"{answer['dropped']} lines are missing: answers may be among them.")
