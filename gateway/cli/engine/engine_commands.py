"""Implements `teimoso engine`: shows the library's age, tries a newer one with one connection first, and goes back."""

# ruff: noqa: PLC0415, PLR0917
# Heavy modules wait until their command runs, and typer reads the annotations at runtime.

from __future__ import annotations

from typing import Annotated

import typer

from gateway.cli.options import DATA, Data, Json, directory

app = typer.Typer(
    help="The program that speaks with WhatsApp: its age, and newer ones.",
    invoke_without_command=True,
)

Within = Annotated[
    float, typer.Option("--within", min=1, help="Seconds that each has to be open again.")
]


@app.callback()
def show(context: typer.Context, data: Data = DATA, as_json: Json = False) -> None:
    """Show the commit of whatsmeow in use, its age, the newest, and what each connection runs.

    Exit status 1 where nobody here can know the newest.
    """
    if context.invoked_subcommand is not None:
        return
    from gateway.cli.engine import engine_update

    engine_update.show(directory(data), as_json=as_json)


@app.command("try")
def try_(
    version: Annotated[
        str | None,
        typer.Option("--version", metavar="COMMIT", help="This commit, in place of the newest."),
    ] = None,
    connection: Annotated[
        str | None,
        typer.Option("--connection", metavar="CONNECTION", help="The first to move to it."),
    ] = None,
    minutes: Annotated[
        float, typer.Option("--minutes", min=0, help="For how long that one is watched.")
    ] = 30.0,
    within: Within = 60.0,
    migrate: Annotated[
        bool,
        typer.Option("--migrate", help="Change keys to a newer schema, which goes only forward."),
    ] = False,
    unless_refused: Annotated[
        bool,
        typer.Option("--unless-refused", help="Not a commit that a connection returned from."),
    ] = False,
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """Build the newest commit, move one connection to it, and then the others, or it back.

    It goes back where the connection ends for a new reason, is not open, or neither sends nor receives in its time.
    One that was broken off goes on when it is called again.
    """
    from gateway.cli.engine import engine_update

    options = engine_update.TryOptions(
        version, connection, minutes * 60, within, migrate, unless_refused
    )
    engine_update.run(directory(data), options, as_json=as_json)


@app.command()
def back(within: Within = 60.0, data: Data = DATA, as_json: Json = False) -> None:
    """Take the tried connection back to the former program, or all to the installed one where none is tried."""
    from gateway.cli.engine import engine_update

    engine_update.back(directory(data), within, as_json=as_json)
