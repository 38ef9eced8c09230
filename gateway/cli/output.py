"""What the commands print: JSON for a program, tables and sentences for a person."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, NoReturn

import typer

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rich.console import Console


def console() -> Console:
    """Where a person reads."""
    from rich.console import Console  # noqa: PLC0415 - loaded where it prints

    return Console(highlight=False)


def plain(value: object) -> None:
    """Print one JSON document."""
    sys.stdout.write(json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def refuse(sentence: str, status: int = 1) -> NoReturn:
    """End the command with a sentence on stderr."""
    sys.stderr.write(sentence.rstrip() + "\n")
    raise typer.Exit(status)


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], empty: str) -> None:
    """Print a table, or the sentence `empty` where there is no row."""
    from rich.table import Table  # noqa: PLC0415 - loaded where it prints

    shown = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        shown.add_column(column)
    count = 0
    for count, row in enumerate(rows, 1):  # noqa: B007 - the count is what is asked for
        shown.add_row(*("" if cell is None else str(cell) for cell in row))
    console().print(shown if count else empty)


def show(answer: Mapping[str, Any], columns: Sequence[str], *, as_json: bool, empty: str) -> None:
    """Print a list that the API gave, by the columns that a person wants to see."""
    if as_json:
        plain(answer)
        return
    rows = ([item.get(column) for column in columns] for item in answer["items"])
    table([column.replace("_", " ") for column in columns], rows, empty)
