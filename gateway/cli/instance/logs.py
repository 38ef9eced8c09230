"""Implements `teimoso logs`: prints the newest lines of an instance's logs by time, and follows them."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Final

from gateway.cli import output
from gateway.log_lines import LineFilter, LogLine, added, newest_lines, parts

if TYPE_CHECKING:
    from pathlib import Path

FOLLOWED_BYTES: Final = 1_048_576
"""Bytes of each file that are looked at."""
POLL_PAUSE: Final = 0.5
"""Seconds between two looks at the files."""


def run(data: Path, wanted: LineFilter, count: int, *, follow: bool, as_json: bool) -> None:
    """Print the newest `count` lines; with `follow` go on until Ctrl-C."""
    directory = data / "logs"
    if not directory.is_dir():
        output.refuse(f"There are no logs in {directory}: nothing was started there.")
    there = parts(directory)
    unknown = [part for part in wanted.parts if part not in there]
    if unknown:
        output.refuse(f"There is no log of {unknown[0]}: {', '.join(there)} have one.")
    read: dict[Path, int] = {}
    found = filter(wanted.fits, added(directory, wanted.parts, read, FOLLOWED_BYTES))
    for line in newest_lines(found, count):
        _show(line, as_json)
    while follow:
        time.sleep(POLL_PAUSE)
        for line in sorted(
            added(directory, wanted.parts, read, FOLLOWED_BYTES), key=lambda line: line.at
        ):
            if wanted.fits(line):
                _show(line, as_json)


def _show(line: LogLine, as_json: bool) -> None:
    if as_json:
        text = json.dumps({"part": line.part, **line.fields}, ensure_ascii=False)
        sys.stdout.write(f"{text}\n")
    else:
        sys.stdout.write(f"{shown(line)}\n")
    sys.stdout.flush()


def shown(line: LogLine) -> str:
    """A line for a person: time, part, level, event, and the other fields as NAME=VALUE."""
    rest = (f"{name}={value}" for name, value in line.rest)
    words = (line.at, line.part, line.level, line.words, *rest)
    return output.safe("  ".join(word for word in words if word))
