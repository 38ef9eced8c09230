"""Implements `teimoso messages …` by the API: lists, shows, pins and stars messages, and cancels queued ones."""

# ruff: noqa: PLC0415, PLR0917
# Heavy modules wait until their command runs, and typer reads the annotations at runtime.

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from actors.runtime.limits.durations import DAY
from gateway.cli import output
from gateway.cli.confirmation import Yes, confirm
from gateway.cli.options import DATA, After, Data, Json, Key, Limit, directory

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

app = typer.Typer(help="Messages that went out and came in.", no_args_is_help=True)

Id = Annotated[str, typer.Argument(metavar="MESSAGE", help="The id of a message.")]
COLUMNS = ("at", "direction", "chat", "name", "status", "type", "text", "error", "id")


@app.command("list")
def list_(
    connection: Annotated[
        str | None, typer.Option("--connection", help="Only its messages.")
    ] = None,
    chat: Annotated[
        str | None, typer.Option("--chat", help="Only with this number, or in this group.")
    ] = None,
    direction: Annotated[
        str | None, typer.Option("--direction", help="in or out; else both.")
    ] = None,
    status: Annotated[
        str | None,
        typer.Option("--status", help="Only these: queued, sent, read, dead, received …"),
    ] = None,
    oldest: Annotated[bool, typer.Option("--oldest", help="The oldest first.")] = False,
    limit: Limit = None,
    after: After = None,
    data: Data = DATA,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """List messages, the newest first; `name` is that of the author, else of the chat, where it is known."""
    from gateway.cli.api_client import Api

    query = {
        "connection": connection,
        "chat": chat,
        "direction": direction,
        "status": status,
        "order": "oldest" if oldest else None,
        "limit": limit,
        "after": after,
    }
    with Api(directory(data), key) as api:
        answer = api.get("/api/messages", query)
    if not as_json:
        answer["items"] = [{**each, "name": _name(each)} for each in answer["items"]]
    output.show_page(answer, COLUMNS, as_json=as_json, empty="There is no such message.")


@app.command()
def show(message: Id, data: Data = DATA, key: Key = None, as_json: Json = False) -> None:
    """Show a message, with the time of each status."""
    from gateway.cli.api_client import Api, segment

    with Api(directory(data), key) as api:
        answer = api.get(f"/api/messages/{segment(message)}")
    output.show_one(answer, as_json=as_json)


@app.command()
def cancel(
    message: Id, yes: Yes = False, data: Data = DATA, key: Key = None, as_json: Json = False
) -> None:
    """Cancel a message that is not sent yet."""
    from gateway.cli.api_client import Api, segment

    confirm(f"Cancelling {message}", ["the message, which is never sent"], yes=yes)
    with Api(directory(data), key) as api:
        answer = api.delete(f"/api/messages/{segment(message)}")
    if as_json:
        output.plain(answer)
    else:
        output.console().print(f"{answer['status']}  {message}")


@app.command()
def pin(
    message: Id,
    days: Annotated[int, typer.Option("--days", help="1, 7 or 30.")] = 7,
    data: Data = DATA,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Pin a message in its chat, for everyone in it."""
    _pin(message, days * DAY, directory(data), key, as_json=as_json)


@app.command()
def unpin(message: Id, data: Data = DATA, key: Key = None, as_json: Json = False) -> None:
    """Take the pin of a message back."""
    _pin(message, 0, directory(data), key, as_json=as_json)


@app.command()
def star(message: Id, data: Data = DATA, key: Key = None, as_json: Json = False) -> None:
    """Star a message on all devices of the account."""
    from gateway.cli.api_client import Api, segment

    with Api(directory(data), key) as api:
        answer = api.put(f"/api/messages/{segment(message)}/star")
    _accepted(answer, as_json=as_json)


@app.command()
def unstar(message: Id, data: Data = DATA, key: Key = None, as_json: Json = False) -> None:
    """Take the star from a message."""
    from gateway.cli.api_client import Api, segment

    with Api(directory(data), key) as api:
        answer = api.delete(f"/api/messages/{segment(message)}/star")
    _accepted(answer, as_json=as_json)


def _pin(message: str, seconds: int, data: Path, key: str | None, *, as_json: bool) -> None:
    from gateway.cli.api_client import Api, segment

    with Api(data, key) as api:
        found = api.get(f"/api/messages/{segment(message)}")
        body = {"connection": found["connection"], "to": found["chat"], "message": message}
        answer = api.post("/api/messages", {**body, "type": "pin", "seconds": seconds})
    _accepted(answer, as_json=as_json)


def _name(message: Mapping[str, Any]) -> str | None:
    author: str | None = (message.get("author") or {}).get("name")
    return author or message.get("chat_name")


def _accepted(answer: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        output.plain(answer)
    else:
        output.console().print(f"{answer['status']}  {answer['id']}")
