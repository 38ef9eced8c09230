"""Implements `teimoso contacts …` by the API: lists and searches the people whom an account knows."""

# ruff: noqa: PLC0415, PLR0917
# Heavy modules wait until their command runs, and typer reads the annotations at runtime.

from __future__ import annotations

from typing import Annotated

import typer

from gateway.cli import output
from gateway.cli.options import DATA, After, Connection, Data, Json, Key, Limit, directory

app = typer.Typer(help="People whom an account knows.", no_args_is_help=True)

COLUMNS = ("name", "number", "address", "saved")


@app.command("list")
def list_(
    connection: Connection,
    search: Annotated[
        str | None,
        typer.Option("--search", metavar="WORDS", help="Only by this name or number, in part."),
    ] = None,
    limit: Limit = None,
    after: After = None,
    data: Data = DATA,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """List people: those of the address book by name, then others with a chat, the newest first."""
    from gateway.cli.api_client import Api

    asked = {"connection": connection, "search": search, "limit": limit, "after": after}
    with Api(directory(data), key) as api:
        answer = api.get("/api/contacts", asked)
    output.show_page(answer, COLUMNS, as_json=as_json, empty="There is no such person.")
