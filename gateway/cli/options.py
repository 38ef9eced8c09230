"""The options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Data = Annotated[
    Path,
    typer.Option("--data", envvar="TEIMOSO_DATA", metavar="DIR", help="The instance's directory."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Key = Annotated[
    str | None,
    typer.Option("--key", envvar="TEIMOSO_API_KEY", show_default=False, help="An API key."),
]
Number = Annotated[str, typer.Argument(metavar="NUMBER", help="A phone number, digits only.")]

DATA = Path("data")


def directory(data: Path) -> Path:
    """The one name that every process of the instance gives its directory."""
    return data.expanduser().resolve()
