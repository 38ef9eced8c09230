"""Implements `teimoso keys …`: creates, lists and revokes API keys in SQLite or Firestore, without the HTTP API.

The owner of the data directory needs no key for that.
"""

# ruff: noqa: PLC0415
# Heavy modules wait until their command runs, and typer reads the annotations at runtime.

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli import output
from gateway.cli.confirmation import Yes, confirm
from gateway.cli.options import DATA, Data, Json, directory

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from actors.state.documents import Documents

app = typer.Typer(help="API keys.", no_args_is_help=True)


@app.command("list")
def list_(data: Data = DATA, as_json: Json = False) -> None:
    """List the keys; their secrets cannot be shown again."""
    items = asyncio.run(_list(directory(data)))
    output.show(
        {"items": items, "next": None},
        ("id", "name", "scopes", "connections", "created_at", "ended_at"),
        as_json=as_json,
        empty="There is no key yet.",
    )


@app.command()
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Purpose of the key.")],
    scopes: Annotated[
        list[str] | None,
        typer.Option("--scope", help="admin, send, read or metrics; several times for several."),
    ] = None,
    connections: Annotated[
        list[str] | None, typer.Option("--connection", help="Only this one; several times.")
    ] = None,
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """Make a key and show it, this once."""
    from gateway.http.api_keys import SCOPES

    if not name.strip() or not name.isprintable():
        output.refuse("Give the key a name that can be printed.")
    wanted = scopes or ["admin"]
    unknown = [scope for scope in wanted if scope not in SCOPES]
    if unknown:
        output.refuse(f"{unknown[0]} is not a scope: {', '.join(SCOPES)}.")
    made = asyncio.run(_create(directory(data), name, wanted, connections))
    if as_json:
        output.plain(made)
    else:
        output.console().print(made["key"], soft_wrap=True)


@app.command()
def revoke(
    key: Annotated[str, typer.Argument(metavar="ID", help="The id that `keys list` shows.")],
    yes: Yes = False,
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """Take a key back; it is refused within seconds."""
    from gateway.schemas.texts.losses import of_revocation

    place = directory(data)
    others = {one["id"]: one for one in asyncio.run(_list(place))}
    found = others.pop(key, None)
    if found is None:
        output.refuse(f"There is no key {key}.")
    lost = of_revocation(found, list(others.values()), own=False)
    confirm(f"Revoking {key}", lost, yes=yes)
    asyncio.run(_revoke(place, key))
    if as_json:
        output.plain({"id": key, "revoked": True})
    else:
        output.console().print(f"{key} is revoked.")


async def _list(data: Path) -> list[dict[str, Any]]:
    from actors.state.documents import API_KEYS
    from gateway.schemas import presenters

    async with _documents(data) as documents:
        items = (await documents.query(API_KEYS)).items
    return [
        {
            **{name: item[name] for name in ("id", "name", "scopes")},
            "connections": presenters.limited(item["connections"], item.get("ended", ())),
            "created_at": output.moment(item["created_at"]),
            "ended_at": (ended := item.get("ended_at")) and output.moment(ended),
        }
        for item in items
    ]


async def _create(
    data: Path, name: str, scopes: list[str], connections: list[str] | None
) -> dict[str, Any]:
    from actors.runtime.limits.limits import LimitReached
    from actors.state.connections import Connections
    from gateway.cli.api_client import settings_of
    from gateway.http import api_keys

    async with _documents(data) as documents:
        ids = []
        for named in connections or ():
            found = await Connections(documents).get(named)
            if found is None:
                output.refuse(f"There is no connection {named}: create it first.")
            ids.append(found.id)
        try:
            identifier, token = await api_keys.create(
                documents,
                name=name,
                scopes=[scope for scope in api_keys.SCOPES if scope in scopes],
                connections=ids or None,
                quota=settings_of(data).key_quota,
            )
        except LimitReached as reached:
            limit = reached.limit
            output.refuse(
                f"{limit.setting} allows {limit.size} keys. Revoke one (`teimoso keys revoke`), or set"
                f" {limit.setting} to {limit.size + 1} or more."
            )
    return {"id": identifier, "key": token}


async def _revoke(data: Path, key: str) -> None:
    from gateway.http import api_keys

    async with _documents(data) as documents:
        await api_keys.revoke(documents, key)


@asynccontextmanager
async def _documents(data: Path) -> AsyncIterator[Documents]:
    from actors.state.documents import StoreAway
    from actors.state.open_store import open_documents
    from gateway.cli.api_client import settings_of

    settings = settings_of(data)
    documents = open_documents(settings)
    try:
        yield documents
    except StoreAway:
        output.refuse(f"The state store {settings.state_store} cannot be read or written.")
    finally:
        await documents.close()
