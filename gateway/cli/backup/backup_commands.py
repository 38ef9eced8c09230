"""Declares `teimoso backup list|create|verify|restore|rewrap`; `bucket_access.py` does the work."""

# ruff: noqa: PLC0415
# Heavy modules wait until their command runs, and typer reads the annotations at runtime.

from __future__ import annotations

from typing import Annotated

import typer

from gateway.cli.options import DATA, Data, Json, directory

app = typer.Typer(help="The encrypted copies of sessions in the bucket.", no_args_is_help=True)

Connection = Annotated[
    str, typer.Argument(metavar="CONNECTION", help="The connection with the session.")
]
Some = Annotated[
    str | None,
    typer.Argument(metavar="[CONNECTION]", help="The connection with the session; without it all."),
]
Which = Annotated[
    str | None,
    typer.Option("--copy", metavar="EPOCH-COMMIT", help="Which copy, as `list` names it."),
]


@app.command("list")
def list_(connection: Some = None, data: Data = DATA, as_json: Json = False) -> None:
    """List the copies, the oldest first."""
    from gateway.cli import output
    from gateway.cli.backup import bucket_access

    found = bucket_access.run(directory(data), lambda desk: desk.show(connection))
    columns = ("incarnation", "copy", "at", "size")
    output.show({"items": found}, columns, as_json=as_json, empty="There is no copy.")


@app.command()
def create(connection: Some = None, data: Data = DATA, as_json: Json = False) -> None:
    """Copy sessions now, also while they are served."""
    from gateway.cli import output
    from gateway.cli.backup import bucket_access

    made = bucket_access.run(directory(data), lambda desk: desk.create(connection))
    columns = ("incarnation", "copy", "size")
    output.show({"items": made}, columns, as_json=as_json, empty="There is no session here.")


@app.command()
def verify(
    connection: Some = None,
    every: Annotated[bool, typer.Option("--all", help="Not only the newest of each.")] = False,
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """Restore copies into a scratch place and read them back. Exit status 1 if one cannot be."""
    from gateway.cli import output
    from gateway.cli.backup import bucket_access

    found = bucket_access.run(directory(data), lambda desk: desk.verify(connection, every=every))
    columns = ("incarnation", "copy", "ok", "linked", "waiting", "why")
    output.show({"items": found}, columns, as_json=as_json, empty="There is no copy.")
    if not all(one["ok"] for one in found):
        raise typer.Exit(1)


@app.command()
def restore(
    connection: Connection, copy: Which = None, data: Data = DATA, as_json: Json = False
) -> None:
    """Put a copy, the newest by default, in the place of the session of a stopped connection.

    The one that is there is kept aside. The next start goes on with the copy: its device stays
    linked, and its chats are encrypted afresh.
    """
    from gateway.cli import output
    from gateway.cli.backup import bucket_access

    done = bucket_access.run(directory(data), lambda desk: desk.restore(connection, copy))
    if as_json:
        output.plain(done)
    else:
        output.console().print(f"{connection} has the session of {done['copy']}; start it.")
        if done["registered"]:
            output.console().print(
                "It was not known here: before it is started its webhook is to be added, and its settings"
                " (show_online, proxy, reject_calls) to be set, anew."
            )


@app.command()
def rewrap(data: Data = DATA, as_json: Json = False) -> None:
    """Put every copy under the newest key of SESSION_ENCRYPTION_KEY; then the others can go."""
    from gateway.cli import output
    from gateway.cli.backup import bucket_access

    done = bucket_access.run(directory(data), lambda desk: desk.rewrap())
    if as_json:
        output.plain(done)
    else:
        output.console().print(f"{done['rewrapped']} of {done['copies']} copies were wrapped anew.")
