"""Implements `teimoso chats …` by the API: lists and searches the chats of an account, shows settings and picture of one."""

# ruff: noqa: PLC0415, PLR0917
# Heavy modules wait until their command runs, and typer reads the annotations at runtime.

from __future__ import annotations

from typing import Annotated, Any

import typer

from gateway.cli import output
from gateway.cli.options import (
    DATA,
    After,
    Connection,
    Data,
    Json,
    Key,
    Limit,
    Output,
    directory,
)

app = typer.Typer(help="Chats of an account.", no_args_is_help=True)

Chat = Annotated[
    str, typer.Argument(metavar="CHAT", help="A phone number, or the address of a chat.")
]
COLUMNS = ("active_at", "chat", "name", "unread", "settings", "last_message")


@app.command("list")
def list_(
    connection: Connection,
    search: Annotated[
        str | None,
        typer.Option(
            "--search",
            metavar="WORDS",
            help="Only by this name, number or text of the newest messages, in part.",
        ),
    ] = None,
    limit: Limit = None,
    after: After = None,
    data: Data = DATA,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """List chats, that with the newest message first; `chat` is the address to write to."""
    from gateway.cli.api_client import Api

    query = {"connection": connection, "search": search, "limit": limit, "after": after}
    with Api(directory(data), key) as api:
        answer = api.get("/api/chats", query)
    if not as_json:
        answer["items"] = [_row(each) for each in answer["items"]]
    output.show_page(answer, COLUMNS, as_json=as_json, empty="There is no such chat.")


@app.command()
def show(
    connection: Connection, chat: Chat, data: Data = DATA, key: Key = None, as_json: Json = False
) -> None:
    """Show the settings of a chat, the same on all devices of the account."""
    from gateway.cli.api_client import Api, segment

    with Api(directory(data), key) as api:
        answer = api.get(f"/api/connections/{segment(connection)}/chats/{segment(chat)}")
    output.show_one(answer, as_json=as_json)


@app.command()
def picture(
    connection: Connection,
    chat: Chat,
    output: Output = None,
    data: Data = DATA,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Fetch the picture of a person or group."""
    from gateway.cli.api_client import segment
    from gateway.cli.file_transfer import fetch

    path = f"/api/chats/{segment(connection)}/{segment(chat)}/picture"
    fetch(directory(data), key, path, output, as_json, name=f"{chat}.jpg")


def _row(chat: dict[str, Any]) -> dict[str, Any]:
    """A chat with the settings that it has, and the text of its newest message, or of the one that a search found, or its type where it has none."""
    last = chat.get("found_message") or chat["last_message"] or {}
    return {
        **chat,
        "settings": [name for name in ("pinned", "muted", "archived") if chat[name]],
        "last_message": last.get("text") or last.get("type"),
    }
