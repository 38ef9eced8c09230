"""Implements `teimoso queue …` by the API: shows queue depths, lists dead letters, and queues dead letters again."""

# ruff: noqa: PLC0415, PLR0917
# Heavy modules wait until their command runs, and typer reads the annotations at runtime.

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli import output
from gateway.cli.options import DATA, Data, Json, Key, OnlyConnection, directory

if TYPE_CHECKING:
    from pathlib import Path

app = typer.Typer(help="Messages that wait to be sent, and dead letters.", no_args_is_help=True)


@app.command()
def show(data: Data = DATA, key: Key = None, as_json: Json = False) -> None:
    """Count what waits."""
    from gateway.cli.api_client import Api

    with Api(directory(data), key) as api:
        answer = api.get("/api/queue")
    if as_json:
        output.plain(answer)
        return
    rows = ((name, value) for name, value in answer.items() if isinstance(value, int | float))
    output.table(("what", "how many"), rows, "The queue is empty.")


@app.command()
def dead(
    connection: OnlyConnection = None,
    data: Data = DATA,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """List the dead letters."""
    from gateway.cli.api_client import Api

    with Api(directory(data), key) as api:
        answer = api.get("/api/queue/dead", {"connection": connection} if connection else None)
    columns = ("id", "connection", "chat", "chat_name", "type", "attempts", "error")
    output.show(answer, columns, as_json=as_json, empty="There is no dead letter.")


@app.command()
def redrive(
    message: Annotated[
        str | None,
        typer.Argument(
            metavar="[MESSAGE]", help="The id of one dead letter; without it all that fit."
        ),
    ] = None,
    connection: OnlyConnection = None,
    chat: Annotated[str | None, typer.Option("--chat", help="Only of this chat.")] = None,
    code: Annotated[str | None, typer.Option("--code", help="The error they died of.")] = None,
    died_after: Annotated[
        str | None, typer.Option("--died-after", metavar="TIME", help="Dead from then on.")
    ] = None,
    died_before: Annotated[
        str | None, typer.Option("--died-before", metavar="TIME", help="Dead until then.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="The most to send again.")
    ] = None,
    data: Data = DATA,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Send one dead letter again, or all that fit everything given; times as 2030-01-01T09:00:00Z."""
    from gateway.cli.api_client import Api

    given = {
        "connection": connection,
        "chat": chat,
        "code": code,
        "died_after": died_after,
        "died_before": died_before,
    }
    body: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if message is not None:
        if body or limit is not None:
            raise typer.BadParameter("MESSAGE names one dead letter: give no filter with it.")
        _one(message, data, key, as_json)
        return
    redriven, after = 0, None
    with Api(directory(data), key) as api:
        while limit is None or redriven < limit:
            if limit is not None:
                body["limit"] = min(limit - redriven, 100_000)
            page = None if after is None else {"after": after}
            answer = api.post("/api/queue/redrive", body, page)
            redriven += answer["redriven"]
            after = answer["next"]
            if after is None:
                break
    if as_json:
        output.plain({"redriven": redriven})
    else:
        output.console().print(f"{redriven} queued again.")


def _one(message: str, data: Path, key: str | None, as_json: bool) -> None:
    """Send one dead letter again."""
    from gateway.cli.api_client import Api, segment

    with Api(directory(data), key) as api:
        answer = api.post(f"/api/queue/dead/{segment(message)}/redrive")
    if as_json:
        output.plain(answer)
    else:
        output.console().print(f"{answer['status']}  {message}")
