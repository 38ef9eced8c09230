"""docs/simulator.md names each command by which the simulator is played."""

from __future__ import annotations

from pathlib import Path

import typer

from gateway.cli.app import app

DOCUMENT = (Path(__file__).parents[5] / "docs" / "simulator.md").read_text()


def test_each_command_is_in_the_document() -> None:
    commands = typer.main.get_command(app).commands["simulate"].commands  # type: ignore[attr-defined]
    assert "scan" in commands
    named = {name for name in commands if f"teimoso simulate {name} " in DOCUMENT}
    assert named == set(commands)
