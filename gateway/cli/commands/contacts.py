"""Implements `teimoso contacts …` by the API: lists and searches the people of an account, blocks and unblocks them."""

# ruff: noqa: PLC0415, PLR0917
# Heavy modules wait until their command runs, and typer reads the annotations at runtime.

from __future__ import annotations

from typing import Annotated

import typer

from gateway.cli import output
from gateway.cli.options import DATA, After, Connection, Data, Json, Key, Limit, directory

app = typer.Typer(help="People whom an account knows.", no_args_is_help=True)

Person = Annotated[
    str, typer.Argument(metavar="PERSON", help="A phone number, an address or a LID.")
]
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

    query = {"connection": connection, "search": search, "limit": limit, "after": after}
    with Api(directory(data), key) as api:
        answer = api.get("/api/contacts", query)
    output.show_page(answer, COLUMNS, as_json=as_json, empty="There is no such person.")


@app.command()
def blocked(
    connection: Connection, data: Data = DATA, key: Key = None, as_json: Json = False
) -> None:
    """List the people whom the account blocks."""
    from gateway.cli.api_client import Api, segment

    with Api(directory(data), key) as api:
        answer = api.get(f"/api/contacts/{segment(connection)}/blocked")
    if as_json:
        output.plain(answer)
        return
    output.table(("address",), ([each] for each in answer["items"]), f"{connection} blocks nobody.")


@app.command()
def block(connection: Connection, person: Person, data: Data = DATA, key: Key = None) -> None:
    """Block a person: WhatsApp delivers nothing of theirs to the account."""
    from gateway.cli.api_client import Api

    with Api(directory(data), key) as api:
        api.put(_blocked(connection, person))


@app.command()
def unblock(connection: Connection, person: Person, data: Data = DATA, key: Key = None) -> None:
    """Block a person no more."""
    from gateway.cli.api_client import Api

    with Api(directory(data), key) as api:
        api.delete(_blocked(connection, person))


def _blocked(connection: str, person: str) -> str:
    from gateway.cli.api_client import segment

    return f"/api/contacts/{segment(connection)}/blocked/{segment(person)}"
