"""Comparison of a trace with the catalogue: what is new in it, and what nobody answered."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from actors.connection.trace import allow_list
from simulator.trace import catalogue
from simulator.trace.comparison import TraceComparison
from simulator.trace.features import UNLISTED, Feature
from simulator.trace.trace_lines import TraceError, read

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[4]
HEAD = {"trace": 1, "by": "whatsmeow", "began": "2026-11-28", "part": 1}


def stanza(at: float, direction: str, tag: str, *parts: Any, **attrs: str) -> dict[str, Any]:
    """A line; `from_` is the attribute `from`, `class_` is `class`."""
    made: dict[str, Any] = {"at": at, "dir": direction, "tag": tag}
    if attrs:
        made["attrs"] = {name.rstrip("_"): value for name, value in attrs.items()}
    return made | ({"parts": [*parts]} if parts else {})


def part(tag: str, *parts: Any, **attrs: str) -> dict[str, Any]:
    made = stanza(0, "", tag, *parts, **attrs)
    return {name: value for name, value in made.items() if name not in ("at", "dir")}


TEXT = stanza(
    1,
    "in",
    "message",
    part("enc", v="2", type="msg"),
    from_="lid:1",
    id="#1",
    type="text",
    offline="0",
)
ASKED = stanza(2, "out", "iq", part("usync", mode="query"), id="#2", type="get", xmlns="usync")
TOLD = stanza(3, "in", "iq", part("usync", part("list")), id="#2", type="result")
KNOWN = catalogue.recorded([TEXT, ASKED, TOLD])


def report(*lines: dict[str, Any], known: set[Feature] = KNOWN) -> dict[str, Any]:
    return TraceComparison(known).report([HEAD, *lines])


def new(*lines: dict[str, Any]) -> list[tuple[str, str]]:
    found = report(*lines)
    return [(one["kind"], one["what"]) for one in (*found["never_sent"], *found["never_seen"])]


def changed(line: dict[str, Any], **attrs: str) -> dict[str, Any]:
    return line | {"attrs": line["attrs"] | {name.rstrip("_"): attrs[name] for name in attrs}}


def test_known_features_are_not_listed() -> None:
    assert new(TEXT, ASKED, TOLD) == []


@pytest.mark.parametrize(
    "same",
    [
        changed(TEXT, id="#77", offline="12", from_="lid:900.3"),
        TEXT | {"parts": [part("enc", v="2", type="msg") | {"times": 3, "bytes": "~4096"}]},
    ],
)
def test_sizes_and_running_numbers_are_no_difference(same: dict[str, Any]) -> None:
    assert new(same) == []


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (changed(TEXT, type="media"), ("message media", "")),
        (stanza(1, "in", "novelty"), ("novelty", "")),
        (stanza(1, "in", "status", type="~4"), ("status", "")),
        (changed(TEXT, type="~16"), (f"message {UNLISTED}", "")),
        (stanza(1, "in", "~16"), ("~16", "")),
        (stanza(1, "out", "receipt", id="#1", type="retry"), ("receipt retry", "")),
        (stanza(1, "out", "ack", id="#1", class_="call"), ("ack call", "")),
        (stanza(1, "in", "ib", part("dirty", type="x")), ("ib dirty", "")),
        (changed(TEXT, t="~16"), ("message text", "t")),
        (changed(TEXT, from_="hosted:1"), ("message text", "from=hosted")),
        (changed(TEXT, from_="lid"), ("message text", "from=@lid")),
        (changed(TEXT, **{"?": "2"}), ("message text", "?2")),
        (TEXT | {"parts": [part("enc", v="3", type="msg")]}, ("message text", "<enc> v=3")),
        (TEXT | {"parts": [part("enc", type="~16")]}, ("message text", "<enc> type=~")),
        (TEXT | {"parts": [part("enc", part("x", y="z"))]}, ("message text", "<enc/x>")),
        (TEXT | {"parts": [part("~64")]}, ("message text", "<~64>")),
    ],
)
def test_the_widest_new_feature_is_listed(line: dict[str, Any], expected: tuple[str, str]) -> None:
    assert new(line) == [expected]


def test_an_answer_is_of_the_kind_of_its_question() -> None:
    other = changed(ASKED, xmlns="w:g2", id="#3")
    assert new(ASKED, TOLD, other, changed(TOLD, id="#3")) == [
        *(("iq result of get w:g2", ""), ("iq get w:g2", ""))
    ]
    assert new(changed(TOLD, id="#9")) == []  # its question was before the trace
    error = stanza(4, "in", "iq", part("error", code="429"), id="#2", type="error")
    assert new(ASKED, error) == [("iq error of get usync", "")]


def test_the_count_and_the_first_time_are_listed() -> None:
    found = report(*({**stanza(1, "in", "novelty"), "at": at} for at in (5, 6, 7)))
    assert found["never_sent"] == [{"kind": "novelty", "what": "", "times": 3, "at": 5}]
    assert (found["by"], found["stanzas"], found["dropped"]) == ("whatsmeow", 3, 0)


def test_the_catalogue_is_written_and_read(tmp_path: Path) -> None:
    file = tmp_path / "catalogue.json"
    catalogue.save(KNOWN, file)
    assert catalogue.load(file) == KNOWN
    unknown = [stanza(1, "in", "~16", part("x")), changed(TEXT, type="~16")]
    assert catalogue.recorded(unknown) == set()


def test_the_catalogue_has_both_directions_and_no_unknown_word() -> None:
    known = catalogue.load()
    assert known >= {Feature("in", "message text"), Feature("out", "message text")}
    assert {Feature("out", "iq get usync"), Feature("in", "iq result of get usync")} <= known
    assert not [one for one in known if one.is_unknown]
    assert not [one for one in known if one.above is not None and one.above not in known]
    tags = {tag for one in known for tag in one.part.split("/") if tag}
    assert len(tags & allow_list.TAGS) > 30


# what nobody answered

END = {"at": 100.0, "event": "end", "cause": ["network"]}


def unanswered(*lines: dict[str, Any]) -> list[tuple[str, str]]:
    return [(one["dir"], one["kind"]) for one in report(*lines)["unanswered"]]


@pytest.mark.parametrize(
    ("line", "answers"),
    [
        (
            TEXT,
            [
                stanza(2, "out", "receipt", id="#1"),
                stanza(2, "out", "receipt", id="#1", type="inactive"),
                stanza(2, "out", "receipt", part("list", part("item", id="#1")), id="#8"),
                stanza(2, "out", "ack", id="#1", class_="message"),
            ],
        ),
        (
            stanza(1, "in", "notification", id="#1", type="encrypt"),
            [stanza(2, "out", "ack", id="#1", class_="notification")],
        ),
        (
            stanza(1, "in", "call", part("offer"), id="#1"),
            [stanza(2, "out", "ack", id="#1", class_="call")],
        ),
        (
            stanza(1, "in", "iq", id="#1", type="get", xmlns="urn:xmpp:ping"),
            [stanza(2, "out", "iq", id="#1", type="result")],
        ),
        (
            stanza(1, "out", "message", id="#1", type="text"),
            [stanza(2, "in", "ack", id="#1", class_="message")],
        ),
        (ASKED, [TOLD, stanza(3, "in", "iq", id="#2", type="error")]),
    ],
)
def test_a_stanza_that_is_owed_an_answer(
    line: dict[str, Any], answers: list[dict[str, Any]]
) -> None:
    (alone,) = unanswered(line, END)
    assert alone[0] == line["dir"]
    for answer in answers:
        assert unanswered(line, answer, END) == []
        assert unanswered(line, answer | {"dir": line["dir"]}, END) != []
        if "parts" not in answer:
            assert unanswered(line, changed(answer, id="#9"), END)[:1] == [alone]


@pytest.mark.parametrize("type_", ["retry", "read", "server-error"])
def test_a_receipt_that_is_no_answer(type_: str) -> None:
    receipt = stanza(2, "out", "receipt", id="#1", type=type_)
    assert unanswered(TEXT, receipt, END) == [("in", "message text")]


def test_a_socket_that_ends_soon_owes_nothing() -> None:
    soon = {"event": "login", "payload": {}}
    assert unanswered(TEXT, END | {"at": 10.9}) == []
    assert unanswered(TEXT, soon | {"at": 10.9}) == []
    assert unanswered(TEXT, soon | {"at": 11.0}) == [("in", "message text")]
    assert unanswered(TEXT, stanza(12, "in", "presence")) == [("in", "message text")]
    assert unanswered(TEXT, END | {"at": 2}, stanza(99, "out", "ack", id="#1")) == []


def test_missing_lines_are_reported() -> None:
    gaps = [{"at": 2, "event": "gap", "dropped": 3}, {"at": 3, "event": "gap", "dropped": 5}]
    assert report(*gaps, HEAD, gaps[0])["dropped"] == 8
    assert report(*gaps, HEAD | {"part": 2}, gaps[1])["dropped"] == 5


# files


def written(path: Path, *lines: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_older_files_are_read_first(tmp_path: Path) -> None:
    newest = written(tmp_path / "x.jsonl", HEAD | {"part": 3}, TOLD)
    written(tmp_path / "x.jsonl.1", HEAD | {"part": 2}, ASKED)
    written(tmp_path / "x.jsonl.2", HEAD, TEXT)
    lines = [line for line in read(newest) if "dir" in line]
    assert lines == [TEXT, ASKED, TOLD]


def files(path: Path) -> Iterator[tuple[Path, str]]:
    yield path / "missing.jsonl", "There is no file"
    yield path, "cannot be read: Is a directory"
    empty = path / "empty.jsonl"
    empty.touch()
    yield empty, "is empty: nothing was recorded"
    for number, (text, why) in enumerate(
        [
            (b"hello\n", "Line 1 of .* is no JSON"),
            (b"[1]\n", "Line 1 of .* is none of a trace"),
            (b'{"a":1}\n', "Line 1 of .* is none of a trace"),
            (b'{"trace":2,"by":"whatsmeow","part":1}\n', "has format 2; format 1 is known"),
            (b'{"trace":1,"by":"whatsmeow"}\n', "Line 1 of .* is none of a trace"),
            (b'{"trace":1,"by":"x","part":1}\n{"at":1,"dir"', "Line 2 of .* is no JSON"),
            (b'{"trace":1,"by":"x","part":1}\n{"at":1,"dir":"up","tag":"x"}\n', "Line 2"),
            (b'{"trace":1,"by":"x","part":1}\n{"at":1,"dir":"in"}\n', "Line 2"),
            (b'{"trace":1,"by":"x","part":1}\n{"dir":"in","tag":"x"}\n', "Line 2"),
            (b'{"trace":1,"by":"x","part":1}\n{"at":1,"event":"x"}\n', "Line 2"),
            (
                b'{"trace":1,"by":"x","part":1}\n{"at":1,"dir":"in","tag":"x","attrs":{"a":1}}\n',
                "Line 2",
            ),
            (
                b'{"trace":1,"by":"x","part":1}\n{"at":1,"dir":"in","tag":"x","parts":[7]}\n',
                "Line 2",
            ),
            (b"\xff\xfe\n", "is no trace: it has other characters"),
            (b"[" * 100_000, "Line 1 of .* is no JSON"),
        ]
    ):
        garbled = path / f"{number}.jsonl"
        garbled.write_bytes(text)
        yield garbled, why


def test_a_file_that_is_no_trace_is_refused_with_its_reason(tmp_path: Path) -> None:
    for file, why in files(tmp_path):
        with pytest.raises(TraceError, match=why):
            list(read(file))


def test_the_command_needs_nothing_that_runs(tmp_path: Path) -> None:
    def run(file: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "simulator.trace", str(file)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    ran = run(written(tmp_path / "x.jsonl", HEAD, stanza(1, "in", "novelty"), END))
    assert json.loads(ran.stdout)["never_sent"][0]["kind"] == "novelty"
    ran = run(tmp_path / "missing.jsonl")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr == f"There is no file {tmp_path / 'missing.jsonl'}.\n"
