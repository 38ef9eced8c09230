"""Stanzas in a trace: their shape, without any text or name."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.connection.trace import allow_list, shape
from actors.connection.trace.shape import Shaper, bucket
from tests.unit.actors.connection.trace.stanzas import Made, read

if TYPE_CHECKING:
    from collections.abc import Iterator

DOCS = Path(__file__).parents[5] / "docs"
GOLDEN = [json.loads(line) for line in (DOCS / "trace-golden.jsonl").read_text().splitlines()]

# Nothing of the vocabulary has these letters in this order.
marks = st.builds(
    lambda kind, letters, digits: kind.format(letters, digits),
    st.sampled_from(
        [
            "zq{0}",
            "ZQ{0}",
            "zq{0}-{0}",
            "zq {0}",
            "1555010{1}",
            "zq{0}@lid",
            "1555010{1}:12@s.whatsapp.net",
            "zq{0}:3@zq{0}",
            "zq{0}ŵ",
            "{1}{1}",
            "zq{0}\n",
        ]
    ),
    st.text("abcdefgXYZ", min_size=2, max_size=12),
    st.text("0123456789", min_size=5, max_size=9),
)
SECRET = re.compile(r"zq|[0-9]{5}|\s|[^\x00-\x7f]", re.IGNORECASE)
"""Found in each mark, and in no line: running numbers do not get so far here."""

tags = st.sampled_from(sorted(allow_list.TAGS))
names = st.sampled_from(sorted(allow_list.NAMES))


def nodes(of_tags: st.SearchStrategy[str], of_names: st.SearchStrategy[str]) -> Any:
    return st.recursive(
        st.builds(Made, of_tags, st.dictionaries(of_names, marks, max_size=5), st.none()),
        lambda parts: st.builds(
            Made,
            of_tags,
            st.dictionaries(of_names, marks, max_size=5),
            st.one_of(marks.map(str.encode), st.lists(parts, max_size=4)),
        ),
        max_leaves=12,
    )


@pytest.mark.parametrize("entry", GOLDEN, ids=lambda entry: entry["why"])
def test_the_golden_file(entry: dict[str, Any]) -> None:
    shaper = Shaper()
    for written, line in zip(entry["stanzas"], entry["lines"], strict=True):
        shown = shaper.shape(read(written), sent=line["dir"] == "out")
        assert {"dir": line["dir"], **shown} == line


@given(nodes(tags | marks, names | marks), st.booleans())
def test_nothing_of_a_persons_stanza_comes_out(node: Made, sent: bool) -> None:
    """Neither as text, tag, name or value, whatever a contact's client makes of them."""
    for tag in ("message", "receipt", "presence", "chatstate", "call", "notification", node.tag):
        stanza = Made(tag, node.attrs, node.content)
        if tag in allow_list.SERVERS_OWN:
            continue
        line = json.dumps(Shaper().shape(stanza, sent=sent), ensure_ascii=False)
        assert not SECRET.search(line.replace(": ", ":").replace(", ", ",")), line


@given(nodes(tags, names), st.booleans(), st.sampled_from(sorted(allow_list.SERVERS_OWN)))
def test_no_value_of_the_servers_stanzas_comes_out(node: Made, sent: bool, tag: str) -> None:
    """But where a word of the server's is expected and nothing but one stands there."""
    stanza = Made(tag, {k: v for k, v in node.attrs.items() if k != "from"}, [node])
    shown = Shaper().shape(stanza, sent=sent)
    for part in parts(shown):
        for name, value in part.get("attrs", {}).items():
            if (part["tag"], name) in allow_list.WORDS:
                assert shape.is_word(value) or value.startswith("~")
            else:
                assert not SECRET.search(str(value)), (part["tag"], name, value)


@given(nodes(tags | marks, names | marks), st.booleans())
def test_what_comes_out_of_a_persons_stanza_is_of_the_list(node: Made, sent: bool) -> None:
    """Each string is in the allow-list, a size, or a running number."""
    shown = Shaper().shape(Made("message", node.attrs, [node]), sent=sent)
    for part in parts(shown):
        assert part["tag"] in allow_list.TAGS or SIZE.fullmatch(part["tag"])
        assert SIZE.fullmatch(part.get("bytes", "~0"))
        for name, value in part.get("attrs", {}).items():
            if name == "?":
                assert isinstance(value, int)
                continue
            assert name in allow_list.NAMES
            known = {*allow_list.VALUES.get((part["tag"], name), ())}
            known |= allow_list.VALUES.get((allow_list.ANY, name), frozenset())
            assert value in known or NUMBERED.fullmatch(value), (part["tag"], name, value)


@pytest.mark.parametrize("value", ["zqword", "137"])
def test_a_person_cannot_use_a_place_of_the_servers(value: str) -> None:
    """Not even where one of the server's words, or a number, is expected."""
    for stanza in ("message", "iq", "notification"):
        for tag, name in allow_list.WORDS | allow_list.NUMBERS:
            part = Made(tag, {name: value})
            node = Made(stanza, {"from": "15550100002@s.whatsapp.net"}, [part])
            shown = json.dumps(Shaper().shape(node, sent=False))
            assert value not in shown, (stanza, tag, name)


@pytest.mark.parametrize("value", ["op15550100002", "op 1", "1op", "ŵ", "x" * 49, "op\n", ""])
def test_what_is_no_word_does_not_come_out_of_the_servers_stanzas(value: str) -> None:
    node = Made("ib", {}, [Made("update", {"op_name": value}), Made(value or "x", {value: "1"})])
    for part in parts(Shaper().shape(node, sent=False)):
        assert value not in {part["tag"], *part.get("attrs", {}), *part.get("attrs", {}).values()}


SIZE = re.compile(r"~\d+")
_SERVERS = "|".join(map(re.escape, sorted(allow_list.SERVERS)))
NUMBERED = re.compile(
    rf"~\d+|#\d+|\d{{1,2}}|({_SERVERS})(:\d+(\.\d+)?)?|@({_SERVERS})|status@broadcast"
)


def parts(shown: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield shown
    for part in shown.get("parts", ()):
        yield from parts(part)


@pytest.mark.parametrize(
    ("size", "expected"), [(0, 0), (1, 1), (2, 4), (4, 4), (5, 16), (64, 64), (65, 256)]
)
def test_sizes_are_powers_of_four(size: int, expected: int) -> None:
    assert bucket(size) == f"~{expected}"


@given(st.integers(2, 2**40))
def test_a_size_tells_two_bits_less(size: int) -> None:
    bound = int(bucket(size)[1:])
    assert size <= bound < 4 * size


def test_a_person_has_one_number_at_servers_that_are_the_same() -> None:
    shaper = Shaper()
    seen = [
        shaper.address(f"15550100002{rest}")
        for rest in ("@s.whatsapp.net", ":3@s.whatsapp.net", "@c.us", ":99@hosted", "@lid")
    ]
    assert seen == ["s.whatsapp.net:1", "s.whatsapp.net:1.3", "c.us:1", "hosted:1.99", "lid:1"]
    assert shaper.address("15550100003@s.whatsapp.net") == "s.whatsapp.net:2"


def test_a_long_list_is_cut_and_a_repeated_part_is_counted() -> None:
    keys = [Made("key", {}, [Made("id", {}, bytes(3)), Made("value", {}, bytes(32))])] * 300
    shown = Shaper().shape(Made("iq", {}, [Made("list", {}, keys)]), sent=True)
    (listed,) = shown["parts"]
    assert [part["times"] for part in listed["parts"]] == [300]
    users = [Made("user", {"jid": f"1555010{number:04}@lid"}) for number in range(5000)]
    (listed,) = Shaper().shape(Made("iq", {}, [Made("list", {}, users)]), sent=False)["parts"]
    assert listed["more"] == 5000 - len(listed["parts"])
    assert len(listed["parts"]) == shape.MOST_PARTS - 2


def test_attributes_without_end_are_counted() -> None:
    many = {f"word-{'x' * number}": "1" for number in range(40)} | {
        f"other_{'y' * number}": "1" for number in range(40)
    }
    shown = Shaper().shape(Made("ib", many), sent=False)
    assert len(shown["attrs"]) == shape.MOST_NAMES + 1
    assert shown["attrs"]["?"] == len(many) - shape.MOST_NAMES


def test_memory_of_running_numbers_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shape, "REMEMBERED", 3)
    shaper = Shaper()
    assert [shaper.number_of_id(id_) for id_ in "abcadb"] == [
        *("#1", "#2", "#3"),
        *("#1", "#4", "#5"),  # b was not met for longest
    ]


# the document


def listed(heading: str) -> str:
    """Returns the text below a heading of the document."""
    text = (DOCS / "trace.md").read_text()
    return text.split(f"\n### {heading}\n", 1)[1].split("\n#", 1)[0]


def words(heading: str) -> set[str]:
    return set(re.findall(r"`([^`]+)`", listed(heading)))


@pytest.mark.parametrize(
    ("heading", "known"),
    [
        ("Tags", allow_list.TAGS),
        ("Attribute names", allow_list.NAMES),
        ("Attributes that are addresses", allow_list.ADDRESSES),
        ("Attributes that are ids", allow_list.IDS),
        ("Servers", allow_list.SERVERS),
        ("Stanzas of the server's own", allow_list.SERVERS_OWN),
        ("Numbers", {f"{tag} {name}" for tag, name in allow_list.NUMBERS}),
        ("Words", {f"{tag} {name}" for tag, name in allow_list.WORDS}),
    ],
)
def test_the_document_lists_the_same(heading: str, known: set[str]) -> None:
    assert words(heading) == set(known)


def test_the_document_lists_the_same_values() -> None:
    told = {
        tuple(pair.split()): set(re.findall(r"`([^`]+)`", values))
        for pairs, values in re.findall(r"^\| (`.+`) \| (`.+`) \|$", listed("Values"), re.MULTILINE)
        for pair in re.findall(r"`([^`]+)`", pairs)
    }
    assert told == {pair: set(values) for pair, values in allow_list.VALUES.items()}
