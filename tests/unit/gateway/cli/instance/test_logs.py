"""`teimoso logs`: the newest lines of all files by time, filtered, and followed across a cut."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import typer

from gateway.cli.instance import logs
from gateway.cli.instance.logs import run, shown
from gateway.log_lines import LineFilter, LogLine

if TYPE_CHECKING:
    from pathlib import Path

SHOP = "shop--K7Q2M9XA4TBC"


def at(second: int, **fields: Any) -> str:
    stamp = f"2030-01-01T09:00:{second:02d}.000000Z"
    return json.dumps({"event": f"line {second}", "timestamp": stamp, **fields})


@pytest.fixture
def data(tmp_path: Path) -> Path:
    directory = tmp_path / "logs"
    directory.mkdir()
    owner = f"connection:{SHOP}/77"
    files = {
        "gateway": [at(1, level="info", connection="shop"), at(4, level="error")],
        "connection": [
            at(2, level="warning", by=owner),
            at(5, level="info", by="connection:bar/7"),
        ],
        "valkey": ["1:M 01 Jan no json", at(3), "  behind the third", ""],
    }
    for name, lines in files.items():
        (directory / f"{name}.log").write_text("\n".join(lines) + "\n")
    (directory / "gateway.log.1").write_text(at(0) + "\n")
    return tmp_path


def printed(
    data: Path, capsys: pytest.CaptureFixture[str], count: int = 50, **wanted: Any
) -> list[str]:
    run(data, LineFilter(**wanted), count, follow=False, as_json=True)
    return [json.loads(line)["event"] for line in capsys.readouterr().out.splitlines()]


@pytest.mark.parametrize(
    ("wanted", "events"),
    [
        ({}, ["1:M 01 Jan no json", "1", "2", "3", "  behind the third", "4", "5"]),
        ({"count": 2}, ["4", "5"]),
        ({"count": 0}, []),
        ({"parts": ("connection",)}, ["2", "5"]),
        ({"level": "warning"}, ["2", "4"]),
        ({"level": "error"}, ["4"]),
        ({"connection": "shop"}, ["1", "2"]),
        ({"connection": "bar"}, ["5"]),
        ({"connection": "shop", "level": "warning"}, ["2"]),
    ],
)
def test_lines(
    data: Path, capsys: pytest.CaptureFixture[str], wanted: dict[str, Any], events: list[str]
) -> None:
    found = printed(data, capsys, **wanted)
    assert [event.removeprefix("line ") for event in found] == events


def test_a_line_for_a_person_has_no_escape_of_a_terminal() -> None:
    fields = {"timestamp": "T", "level": "info", "event": "asked", "action": "serve", "by": "x/1"}
    assert shown(LogLine("root", {**fields, "connection": SHOP})) == (
        f"T  root  info  serve: asked  connection={SHOP}"
    )
    assert shown(LogLine("valkey", {"event": "a\x1b[31mb"})) == "valkey  a\\x1b[31mb"


def test_what_is_not_there_is_a_sentence(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit):
        run(data, LineFilter(("gatewya",)), 5, follow=False, as_json=False)
    assert capsys.readouterr().err == (
        "There is no log of gatewya: connection, gateway, valkey have one.\n"
    )
    with pytest.raises(typer.Exit):
        run(tmp_path / "nothing", LineFilter(), 5, follow=False, as_json=False)
    assert "nothing was started there" in capsys.readouterr().err


def test_only_the_tail_of_a_large_file_is_read(
    data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "FOLLOWED_BYTES", 100)
    assert printed(data, capsys, parts=("gateway",)) == ["line 4"], "and no half of a line"


def test_what_comes_is_followed_also_after_a_cut(data: Path) -> None:
    words = [sys.executable, "-m", "gateway.cli", "logs", "gateway", "-f", "-n", "1", "--json"]
    file = data / "logs" / "gateway.log"
    with subprocess.Popen(
        [*words, "--data", str(data)], stdout=subprocess.PIPE, text=True, bufsize=1
    ) as following:
        assert following.stdout is not None
        try:
            heard = []

            def hear() -> None:
                assert following.stdout is not None
                heard.append(json.loads(following.stdout.readline())["event"])

            hear()
            with file.open("a") as stream:
                stream.write(at(6)[:20])
                stream.flush()
                stream.write(at(6)[20:] + "\n")
            hear()
            file.write_text(at(7) + "\n")  # shorter: the log was cut
            hear()
        finally:
            following.terminate()
    assert heard == ["line 4", "line 6", "line 7"]
