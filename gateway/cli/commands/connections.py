"""Implements `teimoso connections …` by the API: adds, lists, configures, pairs, starts, stops, traces, deletes."""

# ruff: noqa: PLC0415, PLR0917
# Heavy modules wait until their command runs, and typer reads the annotations at runtime.

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli import output
from gateway.cli.confirmation import Yes, confirm
from gateway.cli.options import (
    DATA,
    Connection,
    Data,
    Json,
    Key,
    NoPicture,
    Picture,
    directory,
)

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.cli.api_client import Api

app = typer.Typer(help="WhatsApp accounts.", no_args_is_help=True)

Proxy = Annotated[
    str | None,
    typer.Option(
        "--proxy",
        metavar="URL",
        help="The proxy to WhatsApp, http:// or socks5://; - reads its URL from the input.",
    ),
]
RejectCallsText = Annotated[
    str | None,
    typer.Option(
        "--reject-calls-text",
        metavar="TEXT",
        help="Sent to each person whose call is refused; empty for none.",
    ),
]
NOTHING_TO_SCAN = 409
COLUMNS = ("id", "state", "cause", "epoch", "restarts", "since")


@app.command("list")
def list_(data: Data = DATA, key: Key = None, as_json: Json = False) -> None:
    """List the connections."""
    from gateway.cli.api_client import Api

    with Api(directory(data), key) as api:
        answer = api.get("/api/connections")
    output.show(answer, COLUMNS, as_json=as_json, empty="There is no connection yet.")


@app.command()
def show(connection: Connection, data: Data = DATA, key: Key = None, as_json: Json = False) -> None:
    """Show a connection: its state and the reason, its account and its settings."""
    from gateway.cli.api_client import Api, segment

    with Api(directory(data), key) as api:
        answer = api.get(f"/api/connections/{segment(connection)}")
    output.show_one(answer, as_json=as_json)
    pacing = answer.get("pacing", {})
    if not as_json and pacing.get("reason") == "new_account":
        why = f"new account, day {pacing['day']} of {pacing['new_for_days']}"
        output.console().print(f"{answer['id']} is paced: {why}.", markup=False, soft_wrap=True)


@app.command()
def add(
    connection: Connection,
    show_online: Annotated[
        bool, typer.Option("--show-online", help="Show the account as online at all times.")
    ] = False,
    proxy: Proxy = None,
    reject_calls: Annotated[
        bool, typer.Option("--reject-calls", help="Refuse calls to the account.")
    ] = False,
    reject_calls_text: RejectCallsText = None,
    webhook: Annotated[
        str | None,
        typer.Option("--webhook", metavar="URL", help="An endpoint that gets its events."),
    ] = None,
    data: Data = DATA,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Add a connection; pair it with `qr` or `pairing-code`. Shows the secret of its webhook, once."""
    from gateway.cli.api_client import Api

    given = {
        "webhook": webhook,
        "show_online": show_online or None,
        "proxy": _proxy(proxy),
        "reject_calls": reject_calls or None,
        "reject_calls_text": reject_calls_text or None,
    }
    body = {"id": connection, **{name: value for name, value in given.items() if value is not None}}
    with Api(directory(data), key) as api:
        answer = api.post("/api/connections", body)
    _report(answer, as_json=as_json)
    if webhook is not None and not as_json:
        made = answer["webhook"]
        output.console().print(f"{made['id']} signs by {made['secret']}")


@app.command("set")
def set_(
    connection: Connection,
    show_online: Annotated[
        bool | None,
        typer.Option(
            "--show-online/--no-show-online",
            help="Show the account as online, and senders that their messages were delivered.",
        ),
    ] = None,
    proxy: Proxy = None,
    no_proxy: Annotated[
        bool,
        typer.Option("--no-proxy", help="No proxy of its own: WHATSAPP_PROXY, where it is set."),
    ] = False,
    reject_calls: Annotated[
        bool | None,
        typer.Option(
            "--reject-calls/--no-reject-calls", help="Refuse calls to the account, or not."
        ),
    ] = None,
    reject_calls_text: RejectCallsText = None,
    data: Data = DATA,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Change the settings of a connection; without an option say what they are."""
    from gateway.cli.api_client import Api, segment

    given: dict[str, Any] = {
        name: value
        for name, value in (
            ("show_online", show_online),
            ("proxy", _proxy(proxy)),
            ("reject_calls", reject_calls),
        )
        if value is not None
    }
    if no_proxy:
        given["proxy"] = None
    if reject_calls_text is not None:
        given["reject_calls_text"] = reject_calls_text or None
    with Api(directory(data), key) as api:
        path = f"/api/connections/{segment(connection)}"
        answer = api.patch(path, given) if given else api.get(path)
    if as_json:
        output.plain(answer)
        return
    shown = "is shown as online" if answer["show_online"] else "is not shown as online"
    name, more = answer["id"], []
    if answer["proxy"] is not None:
        more.append(f"{name} reaches WhatsApp through {answer['proxy']}.")
    if answer["reject_calls"]:
        text = "" if answer["reject_calls_text"] is None else ", and writes to who calls"
        more.append(f"{name} refuses calls{text}.")
    for sentence in (f"{name} {shown}.", *more):
        output.console().print(sentence, markup=False, soft_wrap=True)


@app.command()
def profile(
    connection: Connection,
    name: Annotated[str | None, typer.Option("--name", help="The name that strangers see.")] = None,
    about: Annotated[
        str | None, typer.Option("--about", metavar="TEXT", help="The text beneath it, or empty.")
    ] = None,
    picture: Picture = None,
    no_picture: NoPicture = False,
    yes: Yes = False,
    data: Data = DATA,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Change the account as others see it; without an option say what it is."""
    from gateway.cli.api_client import Api, segment
    from gateway.cli.file_transfer import picture_change

    given = {"name": name, "about": about}
    wanted: dict[str, Any] = {each: value for each, value in given.items() if value is not None}
    if no_picture and picture is None:
        confirm(f"Changing {connection}", ["the picture of its account"], yes=yes)
    with Api(directory(data), key) as api:
        path = f"/api/connections/{segment(connection)}/profile"
        wanted |= picture_change(api, picture, no_picture)
        if wanted:
            api.patch(path, wanted)
            return
        answer = api.get(path)
    output.show_one(answer, as_json=as_json)


@app.command()
def qr(
    connection: Connection,
    wait: Annotated[
        float, typer.Option("--wait", metavar="SECONDS", help="Wait for one, so long at most.")
    ] = 0.0,
    data: Data = DATA,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Show the QR code that the account's phone has to scan."""
    from gateway.cli.api_client import Api, segment

    path, until = f"/api/connections/{segment(connection)}/qr", time.monotonic() + wait
    with Api(directory(data), key) as api:
        # A connection that was added just now is still on its way to WhatsApp.
        while api.raw("GET", path).status_code == NOTHING_TO_SCAN and time.monotonic() < until:
            time.sleep(1)
        code = api.get(path)
    if as_json:
        output.plain(code)
        return
    import segno

    segno.make(code["qr"], error="l", micro=False).terminal(sys.stdout, border=2, compact=True)
    output.console().print(
        f"In WhatsApp: Linked devices, Link a device. Until {code['expires_at']}."
    )


@app.command("pairing-code")
def pairing_code(
    connection: Connection,
    phone: Annotated[
        str, typer.Option("--phone", metavar="NUMBER", help="Of the phone to type it on.")
    ],
    data: Data = DATA,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Get a code to type on the account's phone, in place of scanning the QR code."""
    from gateway.cli.api_client import Api, segment

    with Api(directory(data), key) as api:
        code = api.post(f"/api/connections/{segment(connection)}/pairing-code", {"phone": phone})
    if as_json:
        output.plain(code)
        return
    output.console().print(code["code"], style="bold", highlight=False)
    output.console().print(
        "In WhatsApp: Linked devices, Link a device, Link with phone number instead."
        f" Until {code['expires_at']}."
    )


def _life(verb: str, help_text: str) -> None:
    @app.command(verb, help=help_text)
    def command(
        connection: Connection, data: Data = DATA, key: Key = None, as_json: Json = False
    ) -> None:
        from gateway.cli.api_client import Api, segment

        with Api(directory(data), key) as api:
            _report(api.post(f"/api/connections/{segment(connection)}/{verb}"), as_json=as_json)


_life("start", "Start a connection that was stopped.")
_life("stop", "Stop a connection; it stays paired.")
_life("restart", "Stop a connection and start it again.")


@app.command()
def logout(
    connection: Connection,
    yes: Yes = False,
    data: Data = DATA,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Unlink a connection from its account; start then shows a QR."""
    from gateway.cli.api_client import Api, segment
    from gateway.schemas.texts import losses

    with Api(directory(data), key) as api:
        path = f"/api/connections/{segment(connection)}"
        if not yes:
            confirm(f"Logging out {connection}", losses.of_logout(api.get(path)), yes=yes)
        _report(api.post(f"{path}/logout"), as_json=as_json)


@app.command()
def trace(
    connection: Connection,
    begin: Annotated[
        bool | None, typer.Option("--start/--stop", help="Record, or record no more.")
    ] = None,
    data: Data = DATA,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Record the shape of a connection's traffic with WhatsApp; without an option say what is recorded.

    The file holds no text, name, number, key or token.
    """
    from gateway.cli.api_client import Api, segment

    with Api(directory(data), key) as api:
        answer = api.switch(f"/api/connections/{segment(connection)}/trace", begin)
    if as_json:
        output.plain(answer)
        return
    state = "Recording" if answer["tracing"] else "Not recording"
    failed = "" if answer["error"] is None else f" The last write failed: {answer['error']}."
    output.console().print(
        f"{state}: {answer['file']}, {answer['lines']} lines, {answer['dropped']} dropped.{failed}",
        soft_wrap=True,
    )


@app.command()
def delete(
    connection: Connection,
    yes: Yes = False,
    data: Data = DATA,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Delete a connection with its session, its queue and its copies in the bucket."""
    from gateway.cli.api_client import Api, segment

    place = directory(data)
    with Api(place, key) as api:
        path = f"/api/connections/{segment(connection)}"
        if not yes:
            confirm(f"Deleting {connection}", _losses(api, api.get(path), place), yes=yes)
        answer = api.delete(path)
    if as_json:
        output.plain(answer)
    else:
        output.console().print(f"{connection} is deleted.")


def _losses(api: Api, connection: dict[str, Any], data: Path) -> list[str]:
    """The things that go with a connection, as far as they can be known now."""
    from gateway.cli.api_client import settings_of
    from gateway.schemas.texts import losses

    queue = api.raw("GET", "/api/queue")
    lanes = queue.json()["items"] if queue.is_success else []
    lane = next((each for each in lanes if each["connection"] == connection["id"]), None)
    bucket = settings_of(data).session_storage_type != "local"
    return losses.of_deletion(connection, lane, bucket=bucket)


def _proxy(given: str | None) -> str | None:
    """The URL; a secret, which the list of processes would show, comes from the input."""
    return sys.stdin.readline().strip() if given == "-" else given


def _report(answer: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        output.plain(answer)
    else:
        output.console().print(f"{answer.get('id', '')}  {answer.get('state', '')}".strip())
