"""`teimoso refused …`: received items that the state store refuses for good."""

# ruff: noqa: PLC0415, PLR0917
# Heavy modules wait until their command runs, and typer reads the annotations at runtime.

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli import output
from gateway.cli.options import DATA, Data, Json, Key, directory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.cli.api_client import Api

app = typer.Typer(
    help="Received items that the state store refuses for good, until you decide.",
    no_args_is_help=True,
)

Id = Annotated[str, typer.Argument(metavar="CONNECTION", help="The id of a connection.")]
Documents = Annotated[
    list[str] | None, typer.Argument(metavar="DOCUMENT…", help="Their ids, of `list`.")
]
All = Annotated[bool, typer.Option("--all", help="All of the connection.")]


@app.command("list")
def show(connection: Id, data: Data = DATA, key: Key = None, as_json: Json = False) -> None:
    """List them, the oldest first; they are kept in the session of the connection."""
    from gateway.cli.api_client import Api

    with Api(directory(data), key) as api:
        answer = {"items": list(_each(api, connection)), "next": None}
    columns = ("id", "kind", "chat", "type", "at", "refused_at", "size", "excerpt")
    output.show(answer, columns, as_json=as_json, empty="The store refuses nothing.")


@app.command()
def retry(
    connection: Id,
    documents: Documents = None,
    every: All = False,
    data: Data = DATA,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Store them again, once what refused them has changed."""
    from gateway.cli.api_client import Api, segment

    with Api(directory(data), key) as api:
        chosen = _chosen(api, connection, documents, every)
        for document in chosen:
            api.post(f"{_path(connection)}/{segment(document)}/retry")
    _tell("tried again", chosen, as_json)


@app.command()
def discard(
    connection: Id,
    documents: Documents = None,
    every: All = False,
    data: Data = DATA,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Forget them for good."""
    from gateway.cli.api_client import Api, segment

    with Api(directory(data), key) as api:
        chosen = _chosen(api, connection, documents, every)
        for document in chosen:
            api.delete(f"{_path(connection)}/{segment(document)}")
    _tell("discarded", chosen, as_json)


def _path(connection: str) -> str:
    from gateway.cli.api_client import segment

    return f"/api/connections/{segment(connection)}/refused-documents"


def _each(api: Api, connection: str) -> Iterator[Any]:
    after = None
    while True:
        page = api.get(_path(connection), None if after is None else {"after": after})
        yield from page["items"]
        after = page["next"]
        if after is None:
            return


def _chosen(api: Api, connection: str, documents: list[str] | None, every: bool) -> list[str]:
    if every == bool(documents):
        raise typer.BadParameter("name documents, or --all")
    return documents or [item["id"] for item in _each(api, connection)]


def _tell(done: str, documents: list[str], as_json: bool) -> None:
    if as_json:
        output.plain({"documents": documents})
    else:
        output.console().print(f"{len(documents)} {done}.")
