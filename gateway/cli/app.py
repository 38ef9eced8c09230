"""The commands and their options; what they do is in modules that are loaded when they run."""

# ruff: noqa: PLC0415, PLR0917, TC003
# Heavy modules wait until their command runs; typer reads the annotations at runtime, and calls
# with keywords.

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli import backup, connections, keys, queue, simulate
from gateway.cli import settings as settings_commands
from gateway.cli.options import DATA, Data, Json, Key, directory

app = typer.Typer(
    name="teimoso",
    help="A WhatsApp Web service that always gets up again.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(connections.app, name="connections")
app.add_typer(queue.app, name="queue")
app.add_typer(keys.app, name="keys")
app.add_typer(backup.app, name="backup")
app.add_typer(settings_commands.app, name="settings")
app.add_typer(simulate.app, name="simulate")


def _version(asked: bool) -> None:
    from importlib import metadata

    if not asked:
        return
    try:
        typer.echo(f"teimoso {metadata.version('teimoso')}")
    except metadata.PackageNotFoundError:
        typer.echo("teimoso, not installed")
    raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say which it is.")
    ] = False,
) -> None:
    """A WhatsApp Web service that always gets up again."""


@app.command()
def up(
    data: Data = DATA,
    simulate: Annotated[
        bool | None,
        typer.Option("--simulate/--no-simulate", help="With a WhatsApp server on this machine."),
    ] = None,
    detach: Annotated[bool, typer.Option("--detach", help="Return when all is ready.")] = False,
    port: Annotated[
        int | None, typer.Option("--port", min=0, max=65535, help="Of the API; 8090 by default.")
    ] = None,
    control_port: Annotated[
        int | None,
        typer.Option(
            "--simulator-control-port", min=1, max=65535, help="Of the simulator's control API."
        ),
    ] = None,
    settings: Annotated[
        Path | None,
        typer.Option("--settings", metavar="FILE", help="Settings, one NAME=VALUE a line."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Start what does not run, and stay until Ctrl-C, which stops all of it.

    With --detach it returns, and only `teimoso down` stops the instance. A closed terminal (SIGHUP)
    leaves it running as well. The instance remembers its parts and ports.
    """
    from gateway.cli.instance import Wish
    from gateway.cli.up import run

    run(directory(data), Wish(simulate, port, control_port, settings), detach, as_json)


@app.command()
def down(data: Data = DATA, as_json: Json = False) -> None:
    """Drain and stop everything of the instance."""
    from gateway.cli.down import run

    run(directory(data), as_json)


@app.command()
def status(data: Data = DATA, as_json: Json = False) -> None:
    """Say what runs, and whether that is all that should. Exit status 3 when nothing runs."""
    from gateway.cli.status import run

    run(directory(data), as_json)


@app.command()
def doctor(data: Data = DATA, as_json: Json = False) -> None:
    """Look for what would keep the service from running well. Exit status 1 if something would."""
    from gateway.cli.doctor import run

    run(directory(data), as_json)


@app.command()
def send(
    connection: Annotated[str, typer.Argument(metavar="CONNECTION", help="Whose account sends.")],
    to: Annotated[str, typer.Argument(metavar="TO", help="A phone number or a chat's address.")],
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What it says.")],
    wait: Annotated[
        float, typer.Option("--wait", min=0, max=60, help="Seconds to wait until it is sent.")
    ] = 0,
    priority: Annotated[
        int, typer.Option("--priority", min=0, max=9, help="0 goes first, 9 last.")
    ] = 5,
    data: Data = DATA,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Send a text."""
    from gateway.cli.api import Api
    from gateway.cli.output import console, plain

    body = {
        "connection": connection,
        "to": to,
        "type": "text",
        "text": text,
        "priority": priority,
    }
    with Api(directory(data), key) as api:
        message = api.post("/api/messages", body, params={"wait": wait} if wait else None)
    if as_json:
        plain(message)
    else:
        console().print(f"{message['status']}  {message['id']}")
