"""Output of the commands reaches the reader whole, with any text and on any stream."""

from __future__ import annotations

import io
import json
import re
from typing import Any

import pytest

from gateway.cli import output


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


ITEM = {
    "id": "3EB0" + "A1" * 9,
    "text": "a text of some length " * 8,
    "error": None,
    "late": True,
    "scopes": ["read", "send"],
}
COLUMNS = ("id", "text", "error", "late", "scopes")


def test_a_time_is_as_the_api_writes_it() -> None:
    assert output.moment(1_893_488_400.9) == "2030-01-01T09:00:00Z"


def test_one_thing_is_a_field_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    answer: dict[str, Any] = {
        "id": "shop",
        "cause": None,
        "pacing": {"keeps_message_id": True},
        "votes": [],
    }
    output.show_one(answer, as_json=False)
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        ["field", "value"],
        ["id", "shop"],
        ["pacing.keeps", "message", "id", "true"],
    ]
    output.show_one(answer, as_json=True)
    assert json.loads(capsys.readouterr().out) == answer


def test_a_row_is_one_line_where_no_terminal_is(capsys: pytest.CaptureFixture[str]) -> None:
    output.show({"items": [ITEM]}, COLUMNS, as_json=False, empty="")
    _, row = capsys.readouterr().out.splitlines()
    assert row.split() == [ITEM["id"], *str(ITEM["text"]).split(), "true", "read,", "send"]


def test_a_page_without_a_row_names_the_next_one(capsys: pytest.CaptureFixture[str]) -> None:
    for answer, lines in (
        ({"items": [], "next": None}, ["There is none."]),
        ({"items": [], "next": "b2"}, ["Nothing on this page.", "There is more: --after b2"]),
    ):
        output.show_page(answer, COLUMNS, as_json=False, empty="There is none.")
        assert capsys.readouterr().out.splitlines() == lines
        output.show_page(answer, COLUMNS, as_json=True, empty="There is none.")
        assert json.loads(capsys.readouterr().out) == answer


def test_a_terminal_gets_it_folded_with_nothing_cut_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    monkeypatch.setenv("COLUMNS", "72")
    monkeypatch.setenv("TERM", "xterm")
    output.show({"items": [ITEM]}, COLUMNS, as_json=False, empty="")
    shown = terminal.getvalue()
    assert "…" not in shown
    assert str(ITEM["id"]) in shown, "an id can be copied in one piece"
    assert shown.count("length") == 8
    assert max(map(len, shown.splitlines()[1:])) <= 72


def on_terminal(monkeypatch: pytest.MonkeyPatch, width: int, *items: dict[str, Any]) -> list[str]:
    """The lines that a person sees, without colours."""
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    output.show({"items": list(items)}, COLUMNS, as_json=False, empty="")
    return [re.sub(r"\x1b\[\d*m", "", line).rstrip() for line in terminal.getvalue().splitlines()]


def test_a_narrow_terminal_gets_a_block_for_each_row(monkeypatch: pytest.MonkeyPatch) -> None:
    items = [ITEM, {**ITEM, "error": "not_on_whatsapp"}]
    lines = on_terminal(monkeypatch, 40, *items)
    assert lines[0] == f"id: {ITEM['id']}"
    assert lines[1] == f"text: {str(ITEM['text']).rstrip()}"
    assert lines[2:5] == ["late: true", "scopes: read, send", ""], "it has no error"
    assert "error: not_on_whatsapp" in lines[5:]


def test_a_terminal_breaks_no_word_and_shows_no_empty_column(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    head, first, *rest = on_terminal(monkeypatch, 60, ITEM)
    assert head.split() == ["id", "text", "late", "scopes"]
    assert rest
    words = {word.strip(",") for line in (first, *rest) for word in line.split()}
    assert words == {str(ITEM["id"]), *str(ITEM["text"]).split(), "true", "read", "send"}


def test_a_pipe_gets_no_blanks_at_the_end_and_every_column(
    capsys: pytest.CaptureFixture[str],
) -> None:
    items = [{"id": "1", "text": "long enough"}, {"id": "2", "text": "x"}]
    output.show({"items": items}, ("id", "error", "text"), as_json=False, empty="")
    assert capsys.readouterr().out.splitlines() == [
        "id  error  text",
        "1          long enough",
        "2          x",
    ]


@pytest.mark.parametrize(
    ("text", "seen"),
    [("see [/b] and [red]c", "see [/b] and [red]c"), ("a\x1b[2Jb\nc", "a\\x1b[2Jb\\nc")],
)
def test_words_of_others_are_neither_markup_nor_commands(
    capsys: pytest.CaptureFixture[str], text: str, seen: str
) -> None:
    output.show({"items": [{"id": "1", "text": text}]}, ("id", "text"), as_json=False, empty="")
    assert capsys.readouterr().out.splitlines()[1].rstrip() == f"1   {seen}"


def test_a_path_may_look_like_markup(capsys: pytest.CaptureFixture[str]) -> None:
    output.console().print("Nothing of /srv/[/b] runs.")
    assert capsys.readouterr().out == "Nothing of /srv/[/b] runs.\n"
