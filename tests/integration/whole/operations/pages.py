"""The commands of a page of `docs/`, run as they stand there."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from tests.processes import forked_command
from tests.processes.instance import API_KEY, TEIMOSO

if TYPE_CHECKING:
    from tests.processes.instance import Instance

DOCS = Path(__file__).resolve().parents[4] / "docs"


def commands(page: str, title: str) -> list[str]:
    """Those of the section whose heading begins so."""
    text = (DOCS / page).read_text()
    section = re.split(rf"^##+ {re.escape(title)}", text, maxsplit=1, flags=re.MULTILINE)[1]
    blocks = re.findall(
        r"```console\n(.*?)```", re.split(r"^##", section, flags=re.MULTILINE)[0], re.DOTALL
    )
    found = [line[2:] for block in blocks for line in block.splitlines() if line.startswith("$ ")]
    assert found, title
    return found


def run(instance: Instance, command: str) -> str:
    """In a shell, as a person has it; what it printed. One that fails fails the test."""
    found_first = forked_command.directory(), TEIMOSO.parent
    done = subprocess.run(
        ["bash", "-c", command],
        env={
            **os.environ,
            "PATH": os.pathsep.join((*map(str, found_first), os.environ["PATH"])),
            "TEIMOSO_DATA": str(instance.data),
            "TEIMOSO_API_KEY": API_KEY,
            "URL": f"http://127.0.0.1:{instance.port}",
            **instance.environment,
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout
