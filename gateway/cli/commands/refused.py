"""Implements `teimoso refused …` by the API: lists, retries, discards what the state store refuses, received or sent."""

# ruff: noqa: PLC0415, PLR0917
# Heavy modules wait until their command runs, and typer reads the annotations at runtime.

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli import output
from gateway.cli.confirmation import Yes, confirm
from gateway.cli.options import DATA, Data, Json, Key, directory

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from gateway.cli.api_client import Api

app = typer.Typer(
    help="Items received and messages sent that the state store refuses for good, until you decide.",
    no_args_is_help=True,
)

Id = Annotated[str, typer.Argument(metavar="CONNECTION", help="The id of a connection.")]
Documents = Annotated[
    list[str] | None, typer.Argument(metavar="DOCUMENT…", help="Their ids, of `list`.")
]
All = Annotated[bool, typer.Option("--all", help="All of the connection.")]


@app.command("list")
def show(connection: Id, data: Data = DATA, key: Key = None, as_json: Json = False) -> None:
    """List them, those that were sent first; they are kept in the queue and in the session of the connection."""
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
    with _chosen(connection, documents, every, data, key) as (api, chosen):
        for path in chosen.values():
            api.post(f"{path}/retry")
    _report("tried again", chosen, as_json)


@app.command()
def discard(
    connection: Id,
    documents: Documents = None,
    every: All = False,
    yes: Yes = False,
    data: Data = DATA,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Forget them for good."""
    with _chosen(connection, documents, every, data, key) as (api, chosen):
        lost = [f"{len(chosen)} documents whose words the state store does not have"]
        confirm("Discarding them", lost, yes=yes)
        for path in chosen.values():
            api.delete(path)
    _report("discarded", chosen, as_json)


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


@contextmanager
def _chosen(
    connection: str, documents: list[str] | None, every: bool, data: Path, key: str | None
) -> Iterator[tuple[Api, dict[str, str]]]:
    """The API, and the paths of the documents that were named, by id."""
    from gateway.cli.api_client import Api, segment

    if every == bool(documents):
        raise typer.BadParameter("name documents, or --all")
    with Api(directory(data), key) as api:
        ids = documents or [item["id"] for item in _each(api, connection)]
        yield api, {id_: f"{_path(connection)}/{segment(id_)}" for id_ in ids}


def _report(done: str, documents: Collection[str], as_json: bool) -> None:
    if as_json:
        output.plain({"documents": list(documents)})
    else:
        output.console().print(f"{len(documents)} {done}.")
