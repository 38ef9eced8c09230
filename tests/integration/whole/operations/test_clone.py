"""The README's commands word by word in a fresh clone: installation, start, message, `kill -9`, stop."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from tests.integration.whole.operations.pages import DOCS, commands
from tests.integration.whole.operations.steps import Shell
from tests.processes.valkey import free_port
from tests.run import answers
from tests.run.figures import first_message
from tests.waits import until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.run.figures import Figure

SENT = {"sent", "delivered", "read"}


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_clone_sends_a_message(tmp_path: Path, figure: Figure) -> None:
    """The home directory is empty, as a newcomer's: each library comes from the package registry."""
    begun = time.monotonic()
    clone, screen = tmp_path / "teimoso", tmp_path / "screen"
    subprocess.run(["git", "clone", "--quiet", DOCS.parent, clone], check=True)
    up, export, add, phone, scan, send, inbox, kill, again, both = commands(
        "../README.md", "Send a message"
    )
    port, control_port = free_port(), free_port()
    environment = {"HOME": str(tmp_path), "PORT": str(port), "CONTROL_PORT": str(control_port)}
    environment |= dict.fromkeys(("MAKEFLAGS", "MAKELEVEL", "MFLAGS"), "")  # of `make chaos`
    with screen.open("w") as output:
        terminal = subprocess.Popen(
            ["bash", "-c", up],
            cwd=clone,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )

    def shown_key() -> str | None:
        assert terminal.poll() is None, screen.read_text()
        found = re.search(r"tmo_[\w-]{43}", screen.read_text())
        return found and found[0]

    simulator = f"http://127.0.0.1:{control_port}"
    with Shell(environment, clone) as shell:
        try:
            key = until("it shows a key", shown_key, 600)
            answers.CHECK.watch(simulator)
            shell.run(export.replace("tmo_…", key).replace("8090", str(port)))
            for command in (add, phone, scan):
                shell.run(command)
            assert json.loads(shell.run(send))["status"] in SENT
            first_message(figure, "README", begun)
            assert "hello" in shell.run(inbox)
            shell.run(kill)
            assert json.loads(shell.run(again))["status"] in SENT
            arrived = shell.run(both)
            assert arrived.count("hello") == arrived.count("still there?") == 1
            answers.CHECK.end(simulator)
        finally:
            shell.run("make down")
            terminal.wait(60)
    assert terminal.returncode == 0
