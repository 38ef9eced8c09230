"""Requests confirmation on the terminal before a command destroys data; `--yes` confirms beforehand, for scripts."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.output import refuse, safe

if TYPE_CHECKING:
    from collections.abc import Sequence

Yes = Annotated[bool, typer.Option("--yes", help="Do it without asking.")]


def confirm(action: str, losses: Sequence[str], *, yes: bool) -> None:
    """Return if the person agrees to lose these things, or said so by `--yes`; else end the command.

    `action` is the subject of the sentence: "Deleting shop". Exit status 1 if the answer is no, or nobody can be asked
    since the input is no terminal.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        refuse(
            safe(f"{action} loses for good {'; '.join(losses)}. Nothing was done: --yes does it.")
        )
    lines = "".join(f"  {safe(one)}\n" for one in losses)
    # Not `typer.confirm`: it writes to the output, which may be JSON.
    sys.stderr.write(f"{safe(action)} loses for good:\n{lines}Go on? [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        refuse("Nothing was done.")
