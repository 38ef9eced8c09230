"""Reads lines of the logs in an instance's data directory, for `teimoso logs` and the console.

The files are read where they lie, so that it works while nothing runs. Texts, numbers and keys are left out by
the processes that write them (`actors.runtime.logs`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pydantic_core import from_json

from actors.runtime.connection_ids import name_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

LOG_LEVELS: Final = ("debug", "info", "warning", "error", "critical")
COMMON_FIELDS: Final = ("timestamp", "level", "event", "action", "by")
"""Fields that every line may have; `rest` has the others."""


class LogLine(NamedTuple):
    """One line of a log: its part, and its fields; a line that is no JSON has `event` alone."""

    part: str
    fields: dict[str, Any]

    @property
    def at(self) -> str:
        """The time of the line as it is written; empty where it has none."""
        return str(self.fields.get("timestamp", ""))

    @property
    def level(self) -> str:
        """The level; empty where it has none."""
        return str(self.fields.get("level", ""))

    @property
    def words(self) -> str:
        """The event, behind the action where that is another word."""
        event, action = str(self.fields.get("event", "")), self.fields.get("action")
        return event if action is None or action == event else f"{action}: {event}"

    @property
    def rest(self) -> list[tuple[str, Any]]:
        """The other fields."""
        return [(name, value) for name, value in self.fields.items() if name not in COMMON_FIELDS]

    @property
    def connection(self) -> str | None:
        """The connection that the line is about, as it is written there or in the name of the actor that wrote it."""
        found = self.fields.get("connection")
        if found is None:
            role, _, rest = str(self.fields.get("by", "")).partition(":")
            found = rest.rpartition("/")[0] if role == "connection" else None
        return None if found is None else str(found)


@dataclass(frozen=True, slots=True)
class LineFilter:
    """The lines to show: of these parts (all if there are none), of this connection, from this level on, with this text."""

    parts: Sequence[str] = ()
    connection: str | None = None
    level: str | None = None
    text: str | None = None

    def fits(self, line: LogLine) -> bool:
        """Whether the line is to be shown; one without a level counts as `info`."""
        if self.level is not None:
            level = line.level or "info"
            if level in LOG_LEVELS and LOG_LEVELS.index(level) < LOG_LEVELS.index(self.level):
                return False
        if self.connection is not None:
            about = line.connection
            if about is None or name_of(about) != self.connection:
                return False
        if self.text is None:
            return True
        return self.text.casefold() in " ".join(map(str, line.fields.values())).casefold()


def parts(directory: Path) -> list[str]:
    """The parts that have a log, by name; none without the directory."""
    return sorted(file.stem for file in directory.glob("*.log"))


def added(
    directory: Path, wanted: Sequence[str], read: dict[Path, int], tail: int
) -> Iterator[LogLine]:
    """The whole lines that were added since, file by file; `read` has the bytes of each that were taken.

    Of a file that was not read before it is the last `tail` bytes.
    """
    for file in sorted(directory.glob("*.log")):
        if wanted and file.stem not in wanted:
            continue
        try:
            size = file.stat().st_size
            begin = read.get(file, max(0, size - tail))
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


def newest_lines(found: Iterable[LogLine], count: int) -> list[LogLine]:
    """The newest of the lines, the oldest first; one without a time stays behind the one before it."""
    return sorted(found, key=lambda line: line.at)[-count:] if count else []


def _lines(part: str, content: bytes) -> Iterator[LogLine]:
    """Each line; one that is no JSON has the time of the line before it, as has one that is nested deep or no Unicode."""
    at = ""
    for text in content.decode(errors="replace").splitlines():
        if not text.strip():
            continue
        try:
            fields = from_json(text)
        except ValueError:
            fields = None
        if not isinstance(fields, dict):
            fields = {"event": text} | ({"timestamp": at} if at else {})
        at = str(fields.get("timestamp", at))
        yield LogLine(part, fields)
