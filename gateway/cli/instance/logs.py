"""Implements `teimoso logs`: prints the newest lines of an instance's logs by time, and follows them.

The files are read where they lie, so that it works while nothing runs.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from gateway.cli import output

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

LEVELS = ("debug", "info", "warning", "error", "critical")
TAIL = 1_048_576
"""Bytes of each file that are looked at."""
AGAIN = 0.5
"""Seconds between two looks at the files."""
HEADER = ("timestamp", "level", "event", "action", "by")


class Line(NamedTuple):
    """One line of a log: its part, and its fields; a line that is no JSON has `event` alone."""

    part: str
    fields: dict[str, Any]

    @property
    def at(self) -> str:
        """The time of the line as it is written; empty where it has none."""
        return str(self.fields.get("timestamp", ""))


@dataclass(frozen=True, slots=True)
class Wanted:
    """The lines to print: of these parts (all if there are none), of this connection, from this level on."""

    parts: Sequence[str] = ()
    connection: str | None = None
    level: str | None = None

    def fits(self, line: Line) -> bool:
        """Whether the line is to be printed; one without a level counts as `info`."""
        if self.level is not None:
            level = str(line.fields.get("level", "info"))
            if level in LEVELS and LEVELS.index(level) < LEVELS.index(self.level):
                return False
        return self.connection is None or _connection(line) == self.connection


def run(data: Path, wanted: Wanted, count: int, *, follow: bool, as_json: bool) -> None:
    """Print the newest `count` lines; with `follow` go on until Ctrl-C."""
    directory = data / "logs"
    if not directory.is_dir():
        output.refuse(f"There are no logs in {directory}: nothing was started there.")
    unknown = [part for part in wanted.parts if not (directory / f"{part}.log").exists()]
    if unknown:
        there = ", ".join(sorted(file.stem for file in directory.glob("*.log")))
        output.refuse(f"There is no log of {unknown[0]}: {there} have one.")
    read: dict[Path, int] = {}
    found = [line for line in _new(directory, wanted, read) if wanted.fits(line)]
    # Lines without a time stay behind the one that stands before them in their file.
    for line in sorted(found, key=lambda line: line.at)[-count:] if count else ():
        _show(line, as_json)
    while follow:
        time.sleep(AGAIN)
        for line in sorted(_new(directory, wanted, read), key=lambda line: line.at):
            if wanted.fits(line):
                _show(line, as_json)


def _new(directory: Path, wanted: Wanted, read: dict[Path, int]) -> Iterable[Line]:
    """The whole lines that were added since; `read` has the bytes of each file that were taken."""
    for file in sorted(directory.glob("*.log")):
        if wanted.parts and file.stem not in wanted.parts:
            continue
        try:
            size = file.stat().st_size
            begin = read.get(file, max(0, size - TAIL))
            if begin > size:  # it was cut
                begin = 0
            with file.open("rb") as stream:
                stream.seek(begin)
                content = stream.read(size - begin)
        except OSError:
            continue
        whole = content[: content.rfind(b"\n") + 1]
        if begin and file not in read:
            whole = whole.partition(b"\n")[2]  # the first one may have begun before
        read[file] = begin + content.rfind(b"\n") + 1
        yield from _lines(file.stem, whole)


def _lines(part: str, content: bytes) -> Iterable[Line]:
    """Each line; one that is no JSON has the time of the line before it."""
    at = ""
    for text in content.decode(errors="replace").splitlines():
        if not text.strip():
            continue
        try:
            fields = json.loads(text)
        except ValueError:
            fields = None
        if not isinstance(fields, dict):
            fields = {"event": text} | ({"timestamp": at} if at else {})
        at = str(fields.get("timestamp", at))
        yield Line(part, fields)


def _connection(line: Line) -> str | None:
    """The name of the connection that a line is about, by its field or by the actor that wrote it."""
    from actors.runtime.connection_ids import name_of  # noqa: PLC0415 - loaded where it is needed

    found = line.fields.get("connection")
    if found is None:
        role, _, rest = str(line.fields.get("by", "")).partition(":")
        found = rest.rpartition("/")[0] if role == "connection" else None
    return None if found is None else name_of(str(found))


def _show(line: Line, as_json: bool) -> None:
    if as_json:
        text = json.dumps({"part": line.part, **line.fields}, ensure_ascii=False)
        sys.stdout.write(f"{text}\n")
    else:
        sys.stdout.write(f"{shown(line)}\n")
    sys.stdout.flush()


def shown(line: Line) -> str:
    """A line for a person: time, part, level, event, and the other fields as NAME=VALUE."""
    head = (line.fields.get(name) for name in ("timestamp", "level", "event"))
    at, level, event = ("" if one is None else str(one) for one in head)
    rest = (f"{name}={value}" for name, value in line.fields.items() if name not in HEADER)
    action = line.fields.get("action")
    words = (
        at,
        line.part,
        level,
        event if action in {None, event} else f"{action}: {event}",
        *rest,
    )
    return output.safe("  ".join(word for word in words if word))
