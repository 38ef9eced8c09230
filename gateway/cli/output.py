"""Prints the output of `teimoso` commands: JSON for programs, tables and sentences for people."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NoReturn

import typer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from rich.console import Console
    from rich.table import Table
    from rich.text import Text


COLOURS = {
    "ok": "green",
    "warn": "yellow",
    "warning": "yellow",
    "fail": "red",
    "critical": "red",
}

WIDE = 10_000
"""Columns where no terminal is: a pipe or a file gets each row on one line."""


def console() -> Console:
    """The terminal; square brackets stay as they are, since words of others are shown."""
    from rich.console import Console  # noqa: PLC0415 - loaded where it prints

    return Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else WIDE)


def plain(value: object) -> None:
    """Print one JSON document."""
    sys.stdout.write(json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def refuse(sentence: str, status: int = 1) -> NoReturn:
    """End the command with a sentence on stderr."""
    sys.stderr.write(sentence.rstrip() + "\n")
    raise typer.Exit(status)


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], empty: str) -> None:
    """Print a table, or the sentence `empty` where there is no row.

    In a pipe or a file a row is a line, without blanks at its end. On a terminal a column without any value is left
    out, a cell goes on in the next line between words, and where not even the longest words fit beside each
    other, each row is a block of lines; nothing is cut off.
    """
    cells = [[_cell(cell) for cell in row] for row in rows]
    screen = console()
    if not cells:
        screen.print(empty)
    elif not sys.stdout.isatty():
        with screen.capture() as captured:
            screen.print(_table(columns, cells))
        sys.stdout.writelines(f"{line.rstrip()}\n" for line in captured.get().splitlines())
    else:
        used = [place for place in range(len(columns)) if any(row[place] for row in cells)]
        columns = [columns[place] for place in used]
        cells = [[row[place] for place in used] for row in cells]
        words = [_longest_word(each) for each in zip(columns, *cells, strict=True)]
        if sum(words) + 2 * len(words) <= screen.width:
            screen.print(_table(columns, cells, words))
            return
        for number, row in enumerate(cells):
            if number:
                screen.print()
            found = [pair for pair in zip(columns, row, strict=True) if pair[1]]
            for name, cell in found:
                screen.print(f"{name}: ", cell, sep="", soft_wrap=True)


def _table(
    columns: Sequence[str], cells: Sequence[Sequence[str | Text]], widths: Sequence[int] = ()
) -> Table:
    """The table; `widths` are the least of its columns."""
    from rich.table import Table  # noqa: PLC0415 - loaded where it prints

    shown = Table(box=None, pad_edge=False, header_style="bold")
    for number, column in enumerate(columns):
        least = widths[number] if widths else None
        shown.add_column(column, overflow="fold", no_wrap=column == "id", min_width=least)
    for row in cells:
        shown.add_row(*row)
    return shown


def _longest_word(texts: Iterable[str | Text]) -> int:
    return max((len(word) for text in texts for word in str(text).split()), default=0)


def show(answer: Mapping[str, Any], columns: Sequence[str], *, as_json: bool, empty: str) -> None:
    """Print a list that the API gave, by the columns that a person wants to see."""
    if as_json:
        plain(answer)
        return
    rows = ([item.get(column) for column in columns] for item in answer["items"])
    table([column.replace("_", " ") for column in columns], rows, empty)


def show_page(
    answer: Mapping[str, Any], columns: Sequence[str], *, as_json: bool, empty: str
) -> None:
    """Print a page of a list, and how to get the next one; a page of a search may have no row and yet a next one."""
    more = answer["next"]
    show(answer, columns, as_json=as_json, empty=empty if more is None else "Nothing on this page.")
    if more is not None and not as_json:
        console().print(f"There is more: --after {more}")


def show_one(answer: Mapping[str, Any], *, as_json: bool) -> None:
    """Print one thing that the API gave, a field a line; fields without a value are left out."""
    if as_json:
        plain(answer)
        return
    rows = [(name.replace("_", " "), value) for name, value in _fields(answer)]
    table(("field", "value"), rows, "")


def _fields(answer: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The fields with a value, those of an object behind its name."""
    for name, value in answer.items():
        if isinstance(value, dict):
            yield from _fields(value, f"{prefix}{name}.")
        elif value is not None and value != []:
            yield f"{prefix}{name}", value


def severity(word: str) -> Text:
    """A severity, or the result of a check, in its colour: the same in each command."""
    from rich.text import Text  # noqa: PLC0415 - loaded where it prints

    return Text(word, COLOURS.get(word, ""))


def moment(seconds: float) -> str:
    """A time of the wall clock as the API writes it, in whole seconds: `2030-01-01T09:00:00Z`."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _cell(value: object) -> str | Text:
    """A value as a person writes it: `true`, `read, send`, and nothing where there is nothing.

    A character that a terminal would obey (in a message, say) is spelled out.
    """
    from rich.text import Text  # noqa: PLC0415 - loaded where it prints

    if isinstance(value, Text):
        return value
    if value is None:
        return ""
    if isinstance(value, list):
        value = ", ".join(map(str, value))
    return safe(str(value).lower() if isinstance(value, bool) else str(value))


def safe(text: str) -> str:
    """The text with control characters spelled out."""
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)
