"""Generates `docs/cli.md` from the commands and options that `teimoso` declares."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import typer

from gateway.cli.app import command

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE_HEAD = """\
# Command line

`teimoso` starts and stops an instance, and does from a shell what the [API](api.md) does for a program. This page is made of the
program's own help (`make docs`). `teimoso --install-completion` completes commands and options in your shell. A command that
failed ends with status 1, and with 2 where it was not understood; its reason stands on standard error.

Options that many commands take:

| option | meaning |
|---|---|
"""

SHARED_OPTIONS = ("--data", "--key", "--json")
"""Options that are explained once at the head of the page; a command only names those that it takes."""

_TYPE = re.compile(r" <(\w+|list\[str\]|[\w|]+\\\|[\w|\\]+)( range)?>")
_VALUES = {"str": "TEXT", "int": "N", "float": "N", "list[str]": "TEXT …", "FileText": "FILE"}


def markdown() -> str:
    """The page: a section for each group of commands, in the order of `teimoso --help`."""
    program: Any = command()
    sections: list[str] = []
    shared: dict[str, str] = {}
    for name, each in program.commands.items():
        title = f"## `teimoso {name}`\n\n"
        if not hasattr(each, "commands"):
            sections.append(title + _command(("teimoso", name), each, shared))
            continue
        parts = "".join(
            f"### `{' '.join(path)}`\n\n{_command(path, one, shared)}"
            for path, one in _leaves(("teimoso", name), each)
        )
        sections.append(f"{title}{each.help}\n\n{parts}")
    head = PAGE_HEAD + "".join(shared[name] for name in SHARED_OPTIONS)
    return f"{head}\n{''.join(sections)}".rstrip() + "\n"


def _leaves(path: tuple[str, ...], group: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, each in group.commands.items():
        if hasattr(each, "commands"):
            yield from _leaves((*path, name), each)
        else:
            yield (*path, name), each


def _command(path: tuple[str, ...], each: Any, shared: dict[str, str]) -> str:
    context = typer.Context(each, info_name=" ".join(path))
    usage, rows, taken = " ".join((*path, "[OPTIONS]")), "", []
    for parameter in each.params:
        record = parameter.get_help_record(context)
        if record is None:
            continue
        shown, meaning = (part.replace("|", "\\|").replace("  [", " [") for part in record)
        name = parameter.opts[0]
        if name.startswith("-"):
            shown = _TYPE.sub(lambda found: f" {_VALUES.get(found[1], found[1])}", shown)
        else:
            shown = _TYPE.sub("", shown)
            usage += f" {shown}" if parameter.required or shown.startswith("[") else f" [{shown}]"
        row = f"| `{shown}` | {meaning} |\n"
        if name in SHARED_OPTIONS:
            shared.setdefault(name, row)
            taken.append(f"`{name}`")
        else:
            rows += row
    text = f"```sh\n{usage}\n```\n\n{each.help}\n\n"
    if rows:
        text += f"| argument or option | meaning |\n|---|---|\n{rows}\n"
    if taken:
        text += f"Takes {', '.join(taken)}.\n\n"
    return text
