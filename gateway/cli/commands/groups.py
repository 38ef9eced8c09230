"""Implements `teimoso groups …` by the API: lists the groups that an account is in."""

# ruff: noqa: PLC0415
# Heavy modules wait until their command runs, and typer reads the annotations at runtime.

from __future__ import annotations

import typer

from gateway.cli import output
from gateway.cli.options import DATA, Connection, Data, Json, Key, directory

app = typer.Typer(help="Groups of an account.", no_args_is_help=True)


@app.command("list")
def list_(
    connection: Connection, data: Data = DATA, key: Key = None, as_json: Json = False
) -> None:
    """List the groups that the account is in; `chat` is the address to write to."""
    from gateway.cli.api_client import Api, segment

    with Api(directory(data), key) as api:
        answer = api.get(f"/api/connections/{segment(connection)}/groups")
    if as_json:
        output.plain(answer)
        return
    rows = ((each["chat"], each["subject"], len(each["members"])) for each in answer["items"])
    output.table(("chat", "subject", "members"), rows, f"{connection} is in no group.")
