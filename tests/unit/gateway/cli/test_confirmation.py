"""A command that destroys something asks on a terminal, and refuses where nobody can be asked."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from gateway.cli.confirmation import confirm

SCRIPT = """
import typer
from gateway.cli.confirmation import confirm

def delete():
    confirm("Deleting shop", ["its session", "its \\x1bqueue"], yes=False)
    print("done")

typer.run(delete)
"""


def on_a_terminal(answer: str) -> tuple[int, str, str]:
    """Exit status, output and errors of a command whose input is a real terminal."""
    ours, theirs = pty.openpty()
    try:
        process = subprocess.Popen(
            [sys.executable, "-c", SCRIPT],
            stdin=theirs,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        os.write(ours, answer.encode())
        output, errors = process.communicate(timeout=60)
    finally:
        os.close(ours)
        os.close(theirs)
    return process.returncode, output, errors


def test_a_person_who_agrees_goes_on() -> None:
    status, output, errors = on_a_terminal("y\n")
    assert (status, output) == (0, "done\n")
    assert errors.startswith(
        "Deleting shop loses for good:\n  its session\n  its \\x1bqueue\nGo on? [y/N]"
    )


@pytest.mark.parametrize("answer", ["n\n", "\n"])
def test_a_person_who_does_not_agree_keeps_it(answer: str) -> None:
    status, output, errors = on_a_terminal(answer)
    assert status != 0
    assert not output
    assert errors.endswith("Nothing was done.\n")


def test_a_script_is_refused_without_its_word(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with Path(os.devnull).open() as nothing:
        monkeypatch.setattr("sys.stdin", nothing)
        with pytest.raises(typer.Exit) as ended:
            confirm("Deleting shop", ["its session", "its queue"], yes=False)
        assert ended.value.exit_code == 1
        assert capsys.readouterr().err == (
            "Deleting shop loses for good its session; its queue. Nothing was done: --yes does it.\n"
        )
        confirm("Deleting shop", ["its session"], yes=True)
    assert capsys.readouterr() == ("", "")
