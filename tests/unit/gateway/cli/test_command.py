"""The command as a person meets it first."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from gateway.cli import app
from gateway.cli.instance.start_state import hopeless
from gateway.cli.instance.welcome import commands, further
from supervision.keeper.status_file import PartState

if TYPE_CHECKING:
    from collections.abc import Iterator

HEAVY = ("ray", "redis", "httpx", "pydantic", "psutil", "segno", "starlette")
PROBE = f"""
import sys
from gateway.cli.app import app
print([name for name in {HEAVY!r} if name in sys.modules])
"""


def test_help_names_every_command_and_loads_nothing_heavy() -> None:
    found = subprocess.run(
        [sys.executable, "-c", PROBE], capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "[]"
    shown = subprocess.run(
        [sys.executable, "-m", "gateway.cli", "--help"], capture_output=True, text=True, check=True
    )
    for name in ("up", "down", "status", "doctor", "connections", "send", "queue", "keys"):
        assert f" {name} " in shown.stdout


def every(found: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The words of each command and group below this one."""
    yield words
    for name, each in getattr(found, "commands", {}).items():
        yield from every(each, (*words, name))


def test_help_shows_no_type_of_a_flag(capsys: pytest.CaptureFixture[str]) -> None:
    made: Any = app.command()
    shown = dict[str, str]()
    for words in every(made):
        made.main([*words, "--help"], prog_name="teimoso", standalone_mode=False)
        shown[" ".join(words)] = capsys.readouterr().out
    assert "--detach" in shown["up"]
    assert not [words for words, text in shown.items() if "<bool>" in text]


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("teimoso conn", "connections"),
        ("teimoso connections de", "delete"),
        ("teimoso messages --oth", ""),
        ("teimoso messages list --ol", "--oldest"),
        ("teimoso cha", "chats"),
        ("teimoso chats sh", "show"),
        ("teimoso contacts list --se", "--search"),
    ],
)
def test_a_shell_completes_commands_and_options(typed: str, completed: str) -> None:
    words = {"COMP_WORDS": typed, "COMP_CWORD": str(len(typed.split()) - 1)}
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; sys.argv = ['teimoso']; from gateway.cli import main; main()",
        ],
        env={**os.environ, **words, "_TEIMOSO_COMPLETE": "complete_bash"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == completed.split(), done.stderr


def test_the_version_is_that_of_the_project() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "gateway.cli", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    project = tomllib.loads((Path(__file__).parents[4] / "pyproject.toml").read_text())["project"]
    assert shown.stdout == f"teimoso {project['version']}\n"


def test_what_there_is_to_try_fits_the_instance() -> None:
    told = {
        "url": "http://127.0.0.1:9000",
        "data": "/srv/a",
        "simulate": True,
        "command": "teimoso",
    }
    add, pair, send = commands(told)
    assert '/api/connections -d \'{"id":"shop"}\'' in add
    assert pair == "teimoso simulate scan shop 15550100001 --data /srv/a"
    assert "http://127.0.0.1:9000/api/messages" in send
    real = {**told, "simulate": False}
    add, pair, send_ = commands(real)
    assert add == "teimoso connections add shop --data /srv/a"
    assert pair.startswith("teimoso connections qr shop --data /srv/a")
    assert send_.startswith("teimoso send shop NUMBER 'hi' --wait 20 --data /srv/a")
    assert not any("1555" in line for line in (*commands(real), *further(real)))
    arrived, described = further(told)
    assert arrived.endswith("teimoso simulate inbox 15550100002 --data /srv/a")
    assert f'"to":"{arrived.split()[-3]}"' in send, "where the message goes"
    assert further({**told, "simulate": False})[0] == described
    assert "http://127.0.0.1:9000/docs" in described


def test_a_part_is_given_up_after_three_falls_in_a_row() -> None:
    notes = [
        PartState("valkey", "starting", 0.0, "no", falls=3, streak=3),
        PartState("gateway", "fallen", 0.0, "no", falls=2, streak=2),
        PartState("ray", "ready", 0.0, None, falls=5, streak=5),
    ]
    assert [note.role for note in hopeless(notes)] == ["valkey"]
