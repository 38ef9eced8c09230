"""Lines of logs: what each is about, and which fit a filter."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.log_lines import LineFilter, LogLine, added, newest_lines, parts

if TYPE_CHECKING:
    from pathlib import Path

SHOP = "shop--K7Q2M9XA4TBC"


def line(**fields: object) -> LogLine:
    return LogLine("root", fields)


def test_a_line_is_about_the_connection_that_it_names_or_whose_actor_wrote_it() -> None:
    assert line(connection=SHOP, by="connection:other/7").connection == SHOP
    assert line(by=f"connection:{SHOP}/7").connection == SHOP
    assert line(by="queue:a/7").connection is None
    assert line().connection is None


def test_a_line_has_its_event_behind_an_action_of_another_word() -> None:
    assert line(event="asked", action="serve").words == "serve: asked"
    assert line(event="request", action="request").words == "request"
    fields = {
        "timestamp": "T",
        "level": "info",
        "event": "a",
        "by": "x",
        "route": "/",
        "seconds": 1,
    }
    assert line(**fields).rest == [("route", "/"), ("seconds", 1)]


@pytest.mark.parametrize(
    "text",
    ['{"event": "\\ud800"}', "[" * 5000, '{"count": ' + "1" * 5000 + "}", '["no object"]', "\x00"],
)
def test_a_line_that_cannot_be_read_is_shown_as_it_is(tmp_path: Path, text: str) -> None:
    (tmp_path / "root.log").write_text(f'{{"timestamp": "1", "event": "e"}}\n{text}\n')
    _, found = added(tmp_path, (), {}, 10_000)
    assert found == LogLine("root", {"event": text, "timestamp": "1"})
    assert found.words.encode().decode() == text


def test_fields_of_any_kind_are_shown_and_sought() -> None:
    found = line(event=["a"], action={"b": 1}, level=None, connection=7, timestamp=[1])
    assert (found.words, found.at, found.connection) == ("{'b': 1}: ['a']", "[1]", "7")
    assert LineFilter(level="info", text="['A']", connection="7").fits(found)


@pytest.mark.parametrize("text", ["ASKED", "/api", "7", "serve"])
def test_a_text_is_sought_in_each_field_in_any_case(text: str) -> None:
    found = line(event="asked", action="serve", route="/api/x", count=7)
    assert LineFilter(text=text).fits(found)
    assert not LineFilter(text=f"{text}!").fits(found)


def test_the_newest_lines_of_the_tail_of_each_file_are_read(tmp_path: Path) -> None:
    for part, times in (("a", (1, 4)), ("b", (2, 3))):
        text = "".join(f'{{"timestamp": "{at}", "event": "e"}}\n' for at in times)
        (tmp_path / f"{part}.log").write_text(text)
    assert parts(tmp_path) == ["a", "b"]
    assert parts(tmp_path / "none") == []
    read: dict[Path, int] = {}
    found = list(added(tmp_path, (), read, 1000))
    assert [one.at for one in newest_lines(found, 3)] == ["2", "3", "4"]
    assert newest_lines(found, 0) == []
    assert list(added(tmp_path, (), read, 1000)) == [], "what was read is not new"
    tail = added(tmp_path, ("a",), {}, 40)
    assert [one.at for one in tail] == ["4"], "no half of a line"
