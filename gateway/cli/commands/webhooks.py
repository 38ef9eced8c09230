"""Implements `teimoso webhooks …` by the API: manages webhook endpoints, and lists and repeats event deliveries."""

# ruff: noqa: PLC0415, PLR0917
# Heavy modules wait until their command runs, and typer reads the annotations at runtime.

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, TextIO

import typer

from gateway.cli import output
from gateway.cli.confirmation import Yes, confirm
from gateway.cli.options import DATA, After, Data, Json, Key, Limit, directory

if TYPE_CHECKING:
    from pathlib import Path

app = typer.Typer(help="Endpoints that get events.", no_args_is_help=True)

Id = Annotated[str, typer.Argument(metavar="WEBHOOK", help="The webhook's id.")]
Headers = Annotated[
    typer.FileText | None,
    typer.Option(
        "--headers", help="A file with a line NAME: VALUE for each header; - is standard input."
    ),
]
Media = Annotated[
    Literal["apart", "wait"] | None,
    typer.Option("--media", help="wait: a message with a file waits for the file; else apart."),
]
MediaWait = Annotated[
    int | None,
    typer.Option("--media-wait", min=1, max=300, metavar="SECONDS", help="At most; 30 by default."),
]
Base64 = Annotated[
    bool | None,
    typer.Option("--base64/--no-base64", help="Send the file itself with its message."),
]
Base64Limit = Annotated[
    int | None,
    typer.Option(
        "--base64-limit", min=1, metavar="BYTES", help="Of a larger file the address alone."
    ),
]
COLUMNS = (
    *("id", "url", "events", "connections", "enabled"),
    *("waiting", "held_chats", "failing_since", "error"),
)
DELIVERY_COLUMNS = (
    *("id", "at", "type", "connection", "status", "attempts", "http_status", "seconds", "error"),
)


@app.command("list")
def list_(data: Data = DATA, key: Key = None, as_json: Json = False) -> None:
    """List the webhooks, and how each is doing."""
    from gateway.cli.api_client import Api

    with Api(directory(data), key) as api:
        answer = api.get("/api/webhooks")
    output.show(answer, COLUMNS, as_json=as_json, empty="There is no webhook yet.")


@app.command()
def add(
    url: Annotated[str, typer.Argument(metavar="URL", help="The address of the endpoint.")],
    event: Annotated[
        list[str] | None, typer.Option("--event", help="Only this type; give one or more.")
    ] = None,
    connection: Annotated[
        list[str] | None, typer.Option("--connection", help="Only of this one; give one or more.")
    ] = None,
    headers: Headers = None,
    media: Media = None,
    media_wait: MediaWait = None,
    base64: Base64 = None,
    base64_limit: Base64Limit = None,
    data: Data = DATA,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Add an endpoint that gets events from now on; shows its secret, once."""
    from gateway.cli.api_client import Api

    body: dict[str, Any] = {"url": url, **_files(media, media_wait, base64, base64_limit)}
    if event:
        body["events"] = event
    if connection:
        body["connections"] = connection
    if headers is not None:
        body["headers"] = _headers(headers)
    with Api(directory(data), key) as api:
        answer = api.post("/api/webhooks", body)
    if as_json:
        output.plain(answer)
    else:
        output.console().print(f"{answer['id']}\nIt signs by {answer['secret']}")


@app.command("set-media")
def set_media(
    webhook: Id,
    media: Media = None,
    media_wait: MediaWait = None,
    base64: Base64 = None,
    base64_limit: Base64Limit = None,
    data: Data = DATA,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Have messages wait for their files or not, and bring them or not."""
    from gateway.cli.api_client import Api, segment

    body = _files(media, media_wait, base64, base64_limit)
    with Api(directory(data), key) as api:
        answer = api.patch(f"/api/webhooks/{segment(webhook)}", body)
    if as_json:
        output.plain(answer)
        return
    wait, limit = answer["media_wait"], answer["base64_limit"]
    waits = "apart" if wait is None else f"wait, {wait} s at most"
    with_file = "" if limit is None else f"; as base64 up to {limit} bytes"
    output.console().print(f"{waits}{with_file}")


def _files(
    media: str | None, media_wait: int | None, base64: bool | None, base64_limit: int | None
) -> dict[str, Any]:
    """The fields of a request that are named."""
    fields = {
        "media": media,
        "media_wait": media_wait,
        "base64": base64,
        "base64_limit": base64_limit,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _headers(lines: TextIO) -> dict[str, str]:
    """Headers of a file, by name: no argument has them, for every process sees those."""
    from gateway.schemas.webhook_headers import from_lines

    try:
        return from_lines(lines)
    except ValueError as error:
        output.refuse(str(error))


@app.command("set-headers")
def set_headers(
    webhook: Id, headers: Headers, data: Data = DATA, key: Key = None, as_json: Json = False
) -> None:
    """Have these headers go with each delivery, and no others; an empty file removes all."""
    from gateway.cli.api_client import Api, segment

    body = {"headers": {} if headers is None else _headers(headers)}
    with Api(directory(data), key) as api:
        answer = api.patch(f"/api/webhooks/{segment(webhook)}", body)
    if as_json:
        output.plain(answer)
    else:
        output.console().print(", ".join(answer["headers"]) or "It has no headers of its own.")


@app.command("test")
def send_test(webhook: Id, data: Data = DATA, key: Key = None, as_json: Json = False) -> None:
    """Send an endpoint a signed test event now, and print the outcome."""
    from gateway.cli.api_client import Api, segment

    with Api(directory(data), key) as api:
        answer = api.post(f"/api/webhooks/{segment(webhook)}/test")
    if as_json:
        output.plain(answer)
    else:
        came = "delivered" if answer["delivered"] else answer["error"]
        status = "" if answer["http_status"] is None else f" HTTP {answer['http_status']}"
        output.console().print(f"{came}{status} after {answer['seconds']:.3f} s")
    if not answer["delivered"]:
        raise typer.Exit(1)


@app.command()
def remove(
    webhook: Id, yes: Yes = False, data: Data = DATA, key: Key = None, as_json: Json = False
) -> None:
    """Send an endpoint nothing more."""
    from gateway.cli.api_client import Api, segment
    from gateway.schemas.texts.losses import of_webhook

    with Api(directory(data), key) as api:
        path = f"/api/webhooks/{segment(webhook)}"
        if not yes:
            confirm(f"Removing {webhook}", of_webhook(api.get(path)), yes=yes)
        answer = api.delete(path)
    if as_json:
        output.plain(answer)
    else:
        output.console().print(f"{webhook} is removed.")


@app.command()
def pause(webhook: Id, data: Data = DATA, key: Key = None, as_json: Json = False) -> None:
    """Send an endpoint nothing for now; events of that time follow once it is resumed."""
    _switch(webhook, data, key, as_json, on=False)


@app.command()
def resume(webhook: Id, data: Data = DATA, key: Key = None, as_json: Json = False) -> None:
    """Deliver to a paused endpoint again; failed deliveries are tried at once."""
    _switch(webhook, data, key, as_json, on=True)


def _switch(webhook: str, data: Path, key: str | None, as_json: bool, *, on: bool) -> None:
    from gateway.cli.api_client import Api, segment

    with Api(directory(data), key) as api:
        answer = api.patch(f"/api/webhooks/{segment(webhook)}", {"enabled": on})
    if as_json:
        output.plain(answer)
    else:
        output.console().print(
            f"{webhook} {'goes on' if on else 'is paused'}; {answer['waiting']} events wait."
        )


@app.command("rotate-secret")
def rotate_secret(webhook: Id, data: Data = DATA, key: Key = None, as_json: Json = False) -> None:
    """Sign by a new secret, shown once; the one before signs too for a day."""
    from gateway.cli.api_client import Api, segment

    with Api(directory(data), key) as api:
        answer = api.post(f"/api/webhooks/{segment(webhook)}/secret")
    if as_json:
        output.plain(answer)
    else:
        output.console().print(f"It signs by {answer['secret']}", soft_wrap=True)


@app.command()
def deliveries(
    webhook: Id,
    status: Annotated[
        str | None, typer.Option("--status", help="waiting, delivered or dead; else all.")
    ] = None,
    limit: Limit = None,
    after: After = None,
    data: Data = DATA,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """List what was delivered, waits or is dead, the newest first."""
    from gateway.cli.api_client import Api, segment

    query = {"status": status, "limit": limit, "after": after}
    with Api(directory(data), key) as api:
        answer = api.get(f"/api/webhooks/{segment(webhook)}/deliveries", query)
    if not as_json:
        answer["items"] = [_with_last(each) for each in answer["items"]]
    output.show_page(answer, DELIVERY_COLUMNS, as_json=as_json, empty="There is no such delivery.")


def _with_last(delivery: dict[str, Any]) -> dict[str, Any]:
    """A delivery with the status and the seconds of its last attempt."""
    last = delivery["tries"][-1] if delivery["tries"] else {}
    return {**delivery, "http_status": last.get("http_status"), "seconds": last.get("seconds")}


@app.command()
def redeliver(
    webhook: Id,
    delivery: Annotated[str, typer.Argument(metavar="DELIVERY", help="The delivery's id.")],
    data: Data = DATA,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Deliver once more, now, what is dead or was delivered."""
    from gateway.cli.api_client import Api, segment

    path = f"/api/webhooks/{segment(webhook)}/deliveries/{segment(delivery)}/redeliver"
    with Api(directory(data), key) as api:
        answer = api.post(path)
    if as_json:
        output.plain(answer)
    else:
        output.console().print(f"{answer['status']}  {delivery}")
