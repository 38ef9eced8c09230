"""Takes the numbered steps of a page of `docs/`, each as it is written: in one shell, and in a browser.

A step is one of six sentences: Run, Open, Type, Press, Follow or See, as in `docs/first-steps.md`.
"""

from __future__ import annotations

import os
import re
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from tests.integration.whole.operations.pages import DOCS
from tests.waits import until

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from playwright.sync_api import Page

_NUMBERED: Final = re.compile(r"^(\d+)\. (.+)$", re.MULTILINE)
_RUN: Final = re.compile(r"Run `([^`]+)`(?: until it shows `([^`]+)`)?\.")
_OPEN: Final = re.compile(r"Open `([^`]+)`\.")
_TYPE: Final = re.compile(r"Type `([^`]+)` into \*\*(.+)\*\*\.")
_PRESS: Final = re.compile(r"Press \*\*(.+)\*\*\.")
_FOLLOW: Final = re.compile(r"Follow \*\*(.+)\*\*")
_SEE: Final = re.compile(r"See \*\*(.+)\*\*")
_ENDED: Final = "\x1e"
SOON: Final = 20.0


@dataclass(frozen=True, slots=True)
class Step:
    """One step, with its number and the heading above it."""

    number: int
    section: str
    words: str

    @property
    def runs(self) -> bool:
        """Whether it is for the shell; others are for the browser."""
        return self.words.startswith("Run ")


def steps(page: str) -> list[Step]:
    """All steps of a page, in order."""
    found = []
    for section in re.split(r"^## ", (DOCS / page).read_text(), flags=re.MULTILINE)[1:]:
        title, _, text = section.partition("\n")
        found += [Step(int(number), title, words) for number, words in _NUMBERED.findall(text)]
    return found


class Shell:
    """One bash for all steps, so that what a step exports holds for the next ones."""

    def __init__(self, environment: Mapping[str, str], directory: Path = DOCS.parent) -> None:
        self._process = subprocess.Popen(
            ["bash"],
            cwd=directory,
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, command: str) -> str:
        """The output of a command, errors included; one that fails fails the test."""
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{{ {command}\n}} </dev/null; echo {_ENDED}$?\n")
        process.stdin.flush()
        output = ""
        for line in process.stdout:
            before, ended, status = line.partition(_ENDED)
            output += before
            if ended:
                assert status == "0\n", f"{command}\n{output}"
                return output
        raise AssertionError(f"{command}\n{output}: the shell ended")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()


class Newcomer:
    """A person with a terminal and perhaps a browser; `seconds` has the time of each step, by its number."""

    def __init__(self, shell: Shell, page: Page | None = None) -> None:
        self._shell = shell
        self._page = page
        self.seconds: dict[int, float] = {}

    def take(self, step: Step) -> None:
        begun = time.monotonic()
        if found := _RUN.fullmatch(step.words):
            self._run(found[1], found[2])
        else:
            self._browse(step.words)
        self.seconds[step.number] = time.monotonic() - begun

    def _run(self, command: str, shown: str | None) -> None:
        if shown is None:
            self._shell.run(command)
            return
        until(f"{command} shows {shown}", lambda: shown in self._shell.run(command), SOON)

    def _browse(self, words: str) -> None:
        page = self._page
        assert page is not None
        if found := _OPEN.fullmatch(words):
            page.goto(self._expanded(found[1]))
        elif found := _TYPE.fullmatch(words):
            field = page.locator("input, textarea").and_(page.get_by_label(found[2]))
            field.fill(self._expanded(found[1]))
        elif found := _PRESS.fullmatch(words):
            page.get_by_role("button", name=found[1], exact=True).click()
        elif found := _FOLLOW.fullmatch(words):
            page.get_by_role("link").filter(has_text=found[1]).first.click()
        else:
            found = _SEE.fullmatch(words)
            assert found, f"no step begins so: {words}"
            page.get_by_text(found[1]).first.wait_for()

    def _expanded(self, text: str) -> str:
        """The text with its variables, as the shell has them."""
        return self._shell.run(f'echo "{text}"').rstrip("\n")
