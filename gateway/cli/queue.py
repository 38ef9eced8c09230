"""`teimoso queue …`: what waits, and what could not be sent."""

# ruff: noqa: PLC0415
# Heavy modules wait until their command runs, and typer reads the annotations at runtime.

from __future__ import annotations

from typing import Annotated

import typer

from gateway.cli import output
from gateway.cli.options import DATA, Data, Json, Key, directory

app = typer.Typer(help="What waits to be sent, and what could not be.", no_args_is_help=True)


@app.command()
def show(data: Data = DATA, key: Key = None, as_json: Json = False) -> None:
    """Count what waits."""
    from gateway.cli.api import Api

    with Api(directory(data), key) as api:
        answer = api.get("/api/queue")
    if as_json:
        output.plain(answer)
        return
    rows = ((name, value) for name, value in answer.items() if isinstance(value, int | float))
    output.table(("what", "how many"), rows, "The queue is empty.")


@app.command()
def dead(
    connection: Annotated[str | None, typer.Option("--connection")] = None,
    data: Data = DATA,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """List the dead letters."""
    from gateway.cli.api import Api

    with Api(directory(data), key) as api:
        answer = api.get("/api/queue/dead", {"connection": connection} if connection else None)
    columns = ("id", "connection", "chat", "type", "attempts", "error")
    output.show(answer, columns, as_json=as_json, empty="There is no dead letter.")


@app.command()
def retry(
    message: Annotated[str, typer.Argument(metavar="MESSAGE", help="The id of a dead letter.")],
    data: Data = DATA,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Send a dead letter again."""
    from gateway.cli.api import Api, segment

    with Api(directory(data), key) as api:
        answer = api.post(f"/api/queue/dead/{segment(message)}/retry")
    if as_json:
        output.plain(answer)
    else:
        output.console().print(f"{answer.get('status', 'queued')}  {message}")


@app.command("retry-failed")
def retry_failed(data: Data = DATA, key: Key = None, as_json: Json = False) -> None:
    """Send all dead letters again."""
    from gateway.cli.api import Api

    with Api(directory(data), key) as api:
        answer = api.post("/api/queue/retry-failed")
    if as_json:
        output.plain(answer)
    else:
        output.console().print(f"{answer.get('retried', 0)} queued again.")
