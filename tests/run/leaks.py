"""Searches the suite's logs for phone numbers and for the texts of its messages (G10).

Searched are the log files of everything that a test started (the service's, the simulator's, Ray's and
Valkey's), also after a kill, and the log of the test's own process. Of the texts those count that
the test's process sent over HTTP and that nothing else could contain: a `hi` is in many words. The
foreign clients of `tests/conformance` log as they like: their files are named `FOREIGN_LOG`, in any
directory, and nothing of ours has that name.
"""

from __future__ import annotations

import json
import os
import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import httpx

from tests.run.silences import SILENCES

if TYPE_CHECKING:
    from collections.abc import Iterator

NUMBER: Final = re.compile(rb"(?<![\w.])1555\d{7}(?![0-9A-Za-z])|@s\.whatsapp\.net")
_FIELD: Final = re.compile(
    rb'"(text|body|caption|chat|sender|recipient|to|number|phone|jid|token)": ?"'
)
_LINE: Final = re.compile(rb'"action"|\baction=')
"""A mark of lines that the service or the simulator logs; prints of tests, and others' logs, lack it."""
_ENDINGS: Final = (".log", ".out", ".err")
FOREIGN_LOG: Final = "foreign.log"
_MOST: Final = 500
"""Texts that are looked for at once: a storm sends thousands, all in the same way."""


class Search:
    """Finds what leaked since it looked last; a file that is gone by then was not searched."""

    def __init__(self) -> None:
        self._read: dict[Path, int] = {}
        self._known: dict[str, bool] = {}
        """Folders that were looked through, and whether a log was found in each."""
        self._texts: dict[bytes, None] = {}
        self._found: list[str] = []
        self.lines = 0

    def note_request(self, said: object) -> None:
        """Stores the texts of a request's JSON."""
        if isinstance(said, list):
            for each in said:
                self.note_request(each)
        elif isinstance(said, dict):
            for name, value in said.items():
                if name in ("text", "caption", "question") and isinstance(value, str):
                    self._keep(value)
                else:
                    self.note_request(value)

    def _keep(self, text: str) -> None:
        """Also as JSON writes it."""
        telling = len(text) >= 12 or (len(text) >= 8 and " " in text.strip())
        if telling and len(self._texts) < _MOST:
            for form in (text[:200], json.dumps(text[:200])[1:-1]):
                with suppress(UnicodeEncodeError):
                    self._texts[form.encode()] = None

    def files(self, root: Path) -> bool:
        """Look through what was logged below `root` since the last look; returns whether a log is there."""
        found = False
        for path in _logs(root):
            found = True
            with suppress(OSError), path.open("rb") as log:
                log.seek(self._read.get(path, 0))
                content = log.read()
                whole = content.rfind(b"\n") + 1
                self._read[path] = self._read.get(path, 0) + whole
                self.lines += content.count(b"\n")
                # The last line of a killed process may lack its end.
                self._found += self.leaks(content, f"{path.parent.name}/{path.name}")
                SILENCES.note_log(content[:whole], f"{path.parent.name}/{path.name}")
        return found

    def new(self, root: Path) -> None:
        """Look through what came to `root` since the last look, not at all that lies there.

        A run asks this after each of its files, and of thousands of folders.
        """
        for entry in os.scandir(root):
            if entry.name not in self._known and entry.is_dir(follow_symlinks=False):
                self._known[entry.name] = self.files(Path(entry))

    def last(self, root: Path) -> None:
        """Look through what came to `root` since the last look, and once more through folders with logs.

        A folder without any has copies of the tree, or an environment: many thousands of files.
        """
        self.new(root)
        for name, logs in self._known.items():
            if logs:
                self.files(root / name)

    def leaks(self, content: bytes, where: str) -> Iterator[str]:
        """A sentence for each line that tells what it must not, without telling it again."""
        suspects = [text for text in self._texts if text in content]
        if not suspects and not NUMBER.search(content) and not _FIELD.search(content):
            return
        for line in content.splitlines():
            ours = _LINE.search(line) is not None
            if NUMBER.search(line):
                yield f"{where} has a phone number: {masked(line)}"
            elif ours and (field := _FIELD.search(line)):
                yield f"{where} has a field {field[1].decode()}: {masked(line)}"
            elif any(text in line for text in suspects):
                yield f"{where} has a message's text"

    def taken(self) -> list[str]:
        """Returns the leaks found since the last call, and forgets the texts."""
        found, self._found = self._found, []
        self._texts.clear()
        return found


SEARCH: Final = Search()
"""That of this process of the run."""


def closing(*roots: Path) -> None:
    """For who ends an instance and removes its directory, which lies outside pytest's."""
    for root in roots:
        SEARCH.files(root)


def captured(report_sections: list[tuple[str, str]]) -> list[str]:
    """Returns the leaks in a test's captured output: only lines of a log, no prints of the test's."""
    leaked: list[str] = []
    for name, text in report_sections:
        logged = [
            line for line in text.encode().splitlines() if " log " in name or _LINE.search(line)
        ]
        leaked += SEARCH.leaks(b"\n".join(logged), name)
    return leaked


def masked(line: bytes) -> str:
    text = NUMBER.sub(b"(number)", line[:300]).decode(errors="replace")
    return re.sub(r"\d{5,}", "(digits)", text)


def listen() -> None:
    """From now on the texts of every request of this process are known."""
    build = httpx.Client.build_request

    def noting(self: Any, *args: Any, **named: Any) -> httpx.Request:
        SEARCH.note_request(named.get("json"))
        return build(self, *args, **named)

    for client in (httpx.Client, httpx.AsyncClient):
        client.build_request = noting  # type: ignore[method-assign]


def _logs(root: Path) -> Iterator[Path]:
    """Everything below `root` that is a log, by its name or its folder's."""
    for folder, _, names in os.walk(root):
        every = folder.endswith(f"{os.sep}logs")
        for name in names:
            if (every or name.endswith(_ENDINGS)) and name != FOREIGN_LOG:
                path = Path(folder, name)
                if path.is_file() and not path.is_symlink():
                    yield path
