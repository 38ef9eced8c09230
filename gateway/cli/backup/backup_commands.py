"""Declares `teimoso backup list|create|verify|restore|rewrap`; `bucket_access.py` does the work for sessions.

`instance_backups.py` does it for a whole instance.
"""

# ruff: noqa: PLC0415, TC001, TC003
# Heavy modules wait until their command runs, and typer reads the annotations at runtime.

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.confirmation import Yes
from gateway.cli.options import DATA, Data, Json, directory

app = typer.Typer(
    help="The encrypted copies of sessions in the bucket, and backups of the instance.",
    no_args_is_help=True,
)

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
def list_(
    connection: Some = None,
    source: Annotated[
        str | None,
        typer.Option("--from", metavar="TARGET", help="Backups of instances in there instead."),
    ] = None,
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """List the copies, the oldest first."""
    from gateway.cli import output

    if source is not None:
        from gateway.cli.backup import instance_backups

        instance_backups.show(source, directory(data), as_json)
        return
    from gateway.cli.backup import bucket_access

    found = bucket_access.run(directory(data), lambda desk: desk.show(connection))
    columns = ("incarnation", "copy", "at", "size")
    output.show({"items": found}, columns, as_json=as_json, empty="There is no copy.")


@app.command()
def create(
    connection: Some = None,
    to: Annotated[
        str | None,
        typer.Option(
            "--to", metavar="TARGET", help="Back up the whole instance: a directory, or a bucket."
        ),
    ] = None,
    keep: Annotated[
        int | None, typer.Option("--keep", min=1, help="With --to: the newest so many stay.")
    ] = None,
    *,
    yes: Yes = False,
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """Copy sessions to their bucket now, also while they are served; with --to the whole instance."""
    from gateway.cli import output

    if to is not None:
        if connection is not None:
            output.refuse("--to is for the whole instance, and takes no connection.")
        from gateway.cli.backup import instance_backups

        instance_backups.create(directory(data), to, keep, yes=yes, as_json=as_json)
        return
    from gateway.cli.backup import bucket_access

    made = bucket_access.run(directory(data), lambda desk: desk.create(connection))
    columns = ("incarnation", "copy", "size")
    left_out = made["left_out"]
    if as_json or made["items"] or not left_out:
        output.show(made, columns, as_json=as_json, empty="There is no session here.")
    if left_out:
        from gateway.cli.backup.instance_backups import INCOMPLETE

        sentences = [
            f"The session of {each['connection']} cannot be copied ({each['code']}): "
            + (f"its newest copy is {each['newest']}." if each["newest"] else "no copy has it.")
            for each in left_out
        ]
        output.refuse("\n".join(sentences), INCOMPLETE if made["items"] else 1)


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
    """Put a copy, the newest that can be read by default, in the place of the session of a stopped connection.

    The one that is there is kept aside. The next start goes on with the copy: its device stays
    linked, and its chats are encrypted afresh.
    """
    from gateway.cli import output
    from gateway.cli.backup import bucket_access

    done = bucket_access.run(directory(data), lambda desk: desk.restore(connection, copy))
    for refused in done["refused"]:
        sys.stderr.write(f"The copy {refused} is damaged, and was left out.\n")
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


def restore_instance(
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="A directory or bucket with backups.")
    ],
    copy: Annotated[
        str | None,
        typer.Option("--copy", metavar="MARK/TIME", help="Which one; the newest by default."),
    ] = None,
    settings: Annotated[
        Path | None,
        typer.Option("--settings", metavar="FILE", help="With the key, where it is not set."),
    ] = None,
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """Fill an empty directory from a backup of an instance; `teimoso up` goes on from there."""
    from gateway.cli.backup.instance_backups import restore as run

    run(source, copy, directory(data), settings, as_json)
