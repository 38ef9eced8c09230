"""Defines typer options that `teimoso` commands share (`--data`, `--json`, `--key`); resolves the data directory."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli import output

Data = Annotated[
    Path,
    typer.Option("--data", envvar="TEIMOSO_DATA", metavar="DIR", help="The instance's directory."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Key = Annotated[
    str | None,
    typer.Option("--key", envvar="TEIMOSO_API_KEY", show_default=False, help="An API key."),
]
Limit = Annotated[
    int | None, typer.Option("--limit", min=1, max=500, help="The most to list; 50 by default.")
]
After = Annotated[
    str | None, typer.Option("--after", metavar="NEXT", help="The `next` of the list before.")
]
Once = Annotated[
    str | None,
    typer.Option(
        "--once",
        metavar="NAME",
        help="Send nothing more by this name until 24 hours after the message's end.",
    ),
]
Connection = Annotated[str, typer.Argument(metavar="CONNECTION", help="The connection's id.")]
OnlyConnection = Annotated[
    str | None, typer.Option("--connection", metavar="CONNECTION", help="Only of this connection.")
]
Number = Annotated[str, typer.Argument(metavar="NUMBER", help="A phone number, digits only.")]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        help="Where to; otherwise here, by its own name. - prints it.",
    ),
]
Picture = Annotated[
    Path | None, typer.Option("--picture", metavar="FILE", help="Its picture: a JPEG.")
]
SettingsFile = Annotated[
    Path | None,
    typer.Option("--settings", metavar="FILE", help="Settings, one NAME=VALUE a line."),
]
NoPicture = Annotated[bool, typer.Option("--no-picture", help="Remove its picture.")]

DATA = Path("data")


def directory(data: Path) -> Path:
    """The one name that every process of the instance gives its directory.

    Ends the command where it names no place: a link to itself, the home of nobody.
    """
    try:
        return data.expanduser().resolve()
    except (OSError, RuntimeError):
        output.refuse(f"The data directory {data} cannot be found: the name leads nowhere.")
