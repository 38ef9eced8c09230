"""Declares the commands and options of `teimoso`; a command imports the implementing module only when run."""

# ruff: noqa: PLC0415, PLR0917, TC001, TC003
# Heavy modules wait until their command runs; typer reads annotations at runtime, calls by keyword.

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from typer.main import get_command

from gateway.cli.backup import backup_commands
from gateway.cli.commands import (
    chats,
    connections,
    contacts,
    groups,
    jobs,
    keys,
    messages,
    queue,
    refused,
    webhooks,
)
from gateway.cli.commands import settings as settings_commands
from gateway.cli.confirmation import Yes
from gateway.cli.engine import engine_commands
from gateway.cli.options import (
    DATA,
    After,
    Data,
    Json,
    Key,
    Limit,
    Once,
    OnlyConnection,
    Output,
    SettingsFile,
    directory,
)
from gateway.cli.service import service_commands
from gateway.cli.simulate import simulate, simulate_requests, simulate_rules, simulate_traces

if TYPE_CHECKING:
    from collections.abc import Callable

app = typer.Typer(
    name="teimoso",
    help="A WhatsApp Web service that always gets up again.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for group in (connections, messages, chats, contacts, groups, queue, refused, keys, webhooks, jobs):
    app.add_typer(group.app, name=group.__name__.rpartition(".")[2])
app.add_typer(backup_commands.app, name="backup")
app.command("restore")(backup_commands.restore_instance)
app.add_typer(settings_commands.app, name="settings")
app.add_typer(service_commands.app, name="service")
app.add_typer(engine_commands.app, name="engine")
for part in (simulate_rules, simulate_traces, simulate_requests):
    simulate.app.add_typer(part.app)
app.add_typer(simulate.app, name="simulate")


@cache
def command() -> Callable[..., Any]:
    """The command `teimoso`, built from annotations once in a process: that takes 40 ms."""
    made: Callable[..., Any] = get_command(app)
    _drop_types_of_flags(made)
    return made


def _drop_types_of_flags(made: Any) -> None:
    """Show `--json` in the help of each command, and not `--json <bool>`."""
    for parameter in (*made.params, made.get_help_option(typer.Context(made))):
        if getattr(parameter, "is_flag", False):
            parameter.metavar = ""
    for each in getattr(made, "commands", {}).values():
        _drop_types_of_flags(each)


def _version(wanted: bool) -> None:
    from importlib import metadata

    if not wanted:
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
    settings: SettingsFile = None,
    as_json: Json = False,
) -> None:
    """Start what does not run, and stay until Ctrl-C, which stops all of it.

    With --detach it returns, and only `teimoso down` stops the instance. A closed terminal (SIGHUP)
    leaves it running as well. The instance remembers its parts and ports.
    """
    from gateway.cli.instance.preparation import Wish
    from gateway.cli.instance.up import run

    run(directory(data), Wish(simulate, port, control_port, settings), detach, as_json)


@app.command()
def down(data: Data = DATA, as_json: Json = False) -> None:
    """Drain and stop everything of the instance."""
    from gateway.cli.instance.down import run

    run(directory(data), as_json)


@app.command()
def upgrade(
    pause: Annotated[
        float, typer.Option("--pause", min=0, help="Seconds between two connections.")
    ] = 1.0,
    within: Annotated[
        float, typer.Option("--within", min=1, help="Seconds that each has to be open again.")
    ] = 60.0,
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """Have what runs run the code that is installed now, a connection at a time.

    It stops at the first connection that is not back as it was; called again, it goes on.
    """
    from gateway.cli.instance.upgrade import UpgradeOptions, run

    run(directory(data), UpgradeOptions(pause, within), as_json)


@app.command()
def status(data: Data = DATA, as_json: Json = False) -> None:
    """Say what runs, and whether that is all that should. Exit status 3 when nothing runs."""
    from gateway.cli.instance.status import run

    run(directory(data), as_json)


@app.command()
def logs(
    parts: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[PART]...", help="Only these: gateway, connection, keeper, valkey …"
        ),
    ] = None,
    connection: OnlyConnection = None,
    level: Annotated[
        Literal["debug", "info", "warning", "error", "critical"] | None,
        typer.Option("--level", help="Only from this level on."),
    ] = None,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="The newest so many.")] = 50,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with what comes, until Ctrl-C.")
    ] = False,
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """Print the newest lines of the logs, oldest first, also while nothing runs."""
    from gateway.cli.instance.logs import run
    from gateway.log_lines import LineFilter

    wanted = LineFilter(parts or (), connection, level)
    run(directory(data), wanted, lines, follow=follow, as_json=as_json)


@app.command("open")
def open_(
    connection: Annotated[
        str | None, typer.Argument(metavar="[CONNECTION]", help="Its page; else the first one.")
    ] = None,
    show: Annotated[
        bool, typer.Option("--print", help="Print the address, and open nothing.")
    ] = False,
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """Open the console in the browser; it asks for an API key."""
    from gateway.cli.instance.open_console import run

    run(directory(data), connection, as_json, show=show)


@app.command()
def dashboard(
    show: Annotated[
        bool, typer.Option("--print", help="Print the address, and open no browser.")
    ] = False,
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """Start Ray's dashboard and open it; it runs until the instance stops, and asks for the token in `ray/token`."""
    from gateway.cli.instance.open_console import run_dashboard

    run_dashboard(directory(data), as_json, show=show)


@app.command()
def doctor(
    settings: Annotated[
        Path | None,
        typer.Option("--settings", metavar="FILE", help="What the next start would be given."),
    ] = None,
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """Look for what would keep the service from running well. Exit status 1 if something would."""
    from gateway.cli.doctor.doctor_command import run

    run(directory(data), settings, as_json)


@app.command()
def alerts(
    connection: OnlyConnection = None,
    active: Annotated[
        bool | None, typer.Option("--active/--over", help="Only those, or those that are over.")
    ] = None,
    limit: Limit = None,
    after: After = None,
    data: Data = DATA,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """List what somebody should know of, now and before, the newest first."""
    from gateway.cli.commands import alerts_and_recoveries

    only = None if active is None else str(active).lower()
    query = {"connection": connection, "active": only, "limit": limit, "after": after}
    alerts_and_recoveries.alerts(directory(data), key, query, as_json)


@app.command()
def recoveries(
    connection: OnlyConnection = None,
    limit: Limit = None,
    after: After = None,
    data: Data = DATA,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """List what fell and what was done about it, the newest first."""
    from gateway.cli.commands import alerts_and_recoveries

    query = {"connection": connection, "limit": limit, "after": after}
    alerts_and_recoveries.recoveries(directory(data), key, query, as_json)


@app.command()
def events(
    connection: OnlyConnection = None,
    event: Annotated[
        list[str] | None, typer.Option("--event", help="Only this type; give one or more.")
    ] = None,
    after: Annotated[
        int | None, typer.Option("--after", min=0, help="Begin behind this event; else now.")
    ] = None,
    data: Data = DATA,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Follow what happens until Ctrl-C, an event a line; with --json each as JSON on its line."""
    from gateway.cli.commands import events as following

    types = ",".join(event) if event else None
    query = {"connection": connection, "events": types, "after": after}
    following.follow(directory(data), key, query, as_json)


@app.command()
def send(
    connection: Annotated[str, typer.Argument(metavar="CONNECTION", help="Whose account sends.")],
    to: Annotated[str, typer.Argument(metavar="TO", help="A phone number or a chat's address.")],
    text: Annotated[
        str | None,
        typer.Argument(
            metavar="TEXT", help="What it says; an emoji, a name or a question with the options."
        ),
    ] = None,
    wait: Annotated[
        float,
        typer.Option(
            "--wait",
            min=0,
            max=60,
            metavar="SECONDS",
            help="Wait until it is sent. Exit status 1, and the reason, if it is not.",
        ),
    ] = 0,
    priority: Annotated[
        int | None, typer.Option("--priority", min=0, max=9, help="0 goes first, 9 last.")
    ] = None,
    reply_to: Annotated[
        str | None, typer.Option("--reply-to", metavar="ID", help="The message that it answers.")
    ] = None,
    react: Annotated[
        str | None,
        typer.Option("--react", metavar="ID", help="React with TEXT; without one take it back."),
    ] = None,
    forward: Annotated[
        str | None, typer.Option("--forward", metavar="ID", help="Forward a message to TO.")
    ] = None,
    mention: Annotated[list[str] | None, typer.Option(help="A member's number, or all.")] = None,
    edit: Annotated[
        str | None, typer.Option("--edit", metavar="ID", help="Let an own text read TEXT.")
    ] = None,
    delete: Annotated[
        str | None, typer.Option("--delete", metavar="ID", help="Take back an own message.")
    ] = None,
    location: Annotated[
        str | None, typer.Option("--location", metavar="LAT,LON", help="A place, named TEXT.")
    ] = None,
    contact: Annotated[
        str | None, typer.Option("--contact", metavar="PHONE", help="A person, named TEXT.")
    ] = None,
    vote: Annotated[
        str | None,
        typer.Option("--vote", metavar="ID", help="Vote in a poll for each --option, or none."),
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option("--option", help="A choice of the poll that asks TEXT; give two or more."),
    ] = None,
    choices: Annotated[
        int | None, typer.Option("--choices", min=0, max=12, help="How many to choose; 0 is any.")
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--file", metavar="PATH", help="A file, with TEXT beneath it.")
    ] = None,
    kind: Annotated[
        str | None,
        typer.Option("--type", help="As what: image, video, audio, document or sticker."),
    ] = None,
    voice: Annotated[bool, typer.Option("--voice", help="Send sound as a voice note.")] = False,
    once: Once = None,
    yes: Yes = False,
    data: Data = DATA,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Send a message: a text, or the kind that an option names."""
    from gateway.cli.commands.send import SendArguments, run

    arguments = SendArguments(
        connection=connection,
        to=to,
        text=text,
        priority=priority,
        reply_to=reply_to,
        react=react,
        forward=forward,
        mentions=mention or (),
        edit=edit,
        delete=delete,
        location=location,
        contact=contact,
        vote=vote,
        options=option or (),
        choices=choices,
        file=file,
        kind=kind,
        voice=voice,
        once=once,
        yes=yes,
    )
    run(directory(data), key, arguments, wait=wait, as_json=as_json)


@app.command()
def media(
    message: Annotated[str, typer.Argument(metavar="ID", help="The message that brought it.")],
    output: Output = None,
    data: Data = DATA,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Fetch the file of a message."""
    from gateway.cli.api_client import segment
    from gateway.cli.file_transfer import fetch

    path = f"/api/messages/{segment(message)}/media"
    fetch(directory(data), key, path, output, as_json, name=message)
