"""Messages as others read and write them: the classes of whatsmeow, in a process of their own."""

from __future__ import annotations

import json
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.conformance.processes import absent, interpreter

if TYPE_CHECKING:
    from collections.abc import Iterator


class Judge:
    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def show(self, plaintext: bytes) -> dict[str, Any]:
        """Returns the library's reading of it."""
        shown: dict[str, Any] = self._ask("show", plaintext.hex())
        return shown

    def make(self, fields: dict[str, Any]) -> bytes:
        """Returns the library's encoding."""
        return bytes.fromhex(self._ask("make", fields))

    def _ask(self, do: str, given: object) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"do": do, "with": given}) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


@contextmanager
def judging() -> Iterator[Judge]:
    if reason := absent("neonize"):
        pytest.skip(reason)
    program = Path(__file__).with_name("neonize_judge.py")
    with subprocess.Popen(
        [interpreter("neonize"), "-W", "ignore", str(program)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Judge(process)
        finally:
            process.kill()
