"""The shape of a stanza: the golden file that each recorder is held to, and no word of a contact's."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.connection.trace import allow_list as engine
from simulator.trace import allow_list, login_shape, shape
from simulator.trace.shape import Shaper
from simulator.wire.protocol_library import JID, ClientPayload, Node

GOLDEN = [
    json.loads(line)
    for line in (Path(__file__).parents[4] / "docs" / "trace-golden.jsonl").read_text().splitlines()
]
PERSON = "15550100002@s.whatsapp.net"
SECRET = re.compile(r"zq|\d{5}", re.IGNORECASE)
marks = st.builds(
    lambda pattern, digits: pattern.format(digits),
    st.sampled_from(
        ["zq{0}", "zq-zq", "{0}", "zq{0}@lid", "{0}:3@s.whatsapp.net", "zq {0}", "ŵzq"]
    ),
    st.text("0123456789", min_size=5, max_size=9),
)
tags = st.sampled_from(sorted(allow_list.TAGS)) | marks
names = st.sampled_from(sorted(allow_list.NAMES)) | marks
attributes = st.dictionaries(names, marks, max_size=5)
nodes = st.recursive(
    st.builds(Node, tags, attributes, marks.map(str.encode)),
    lambda parts: st.builds(Node, tags, attributes, st.lists(parts, max_size=4)),
    max_leaves=12,
)


def read(written: Any) -> Node:
    """A stanza of the golden file: `[tag, attributes, content]`."""
    tag, attrs, content = written
    if isinstance(content, list):
        return Node(tag, attrs, [read(part) for part in content])
    return Node(tag, attrs, None if content is None else bytes(content))


@pytest.mark.parametrize("entry", GOLDEN, ids=lambda entry: entry["why"])
def test_the_golden_file(entry: dict[str, Any]) -> None:
    shaper = Shaper()
    for written, line in zip(entry["stanzas"], entry["lines"], strict=True):
        shown = shaper.shape(read(written), to_server=line["dir"] == "out")
        assert {"dir": line["dir"], **shown} == line


@pytest.mark.parametrize(
    "name",
    [
        *("ADDRESSES", "IDS", "NAMES", "NUMBERS", "SAME_PEOPLE", "SERVERS", "SERVERS_OWN", "TAGS"),
        *("VALUES", "WORDS"),
    ],
)
def test_the_engines_recorder_has_the_same_list(name: str) -> None:
    assert getattr(allow_list, name) == getattr(engine, name)


@given(nodes, st.booleans(), st.sampled_from(["message", "receipt", "presence", "call", "iq"]))
def test_no_word_of_a_contacts_comes_out(node: Node, to_server: bool, tag: str) -> None:
    if tag == "iq":
        node.attrs["from"], to_server = PERSON, False
    stanza = Node(tag, node.attrs, node.content)
    shown = json.dumps(Shaper().shape(stanza, to_server=to_server), ensure_ascii=False)
    assert not SECRET.search(shown), shown


@given(nodes)
def test_a_value_comes_out_of_the_servers_stanzas_where_a_word_is_expected_alone(
    node: Node,
) -> None:
    def check(shown: dict[str, Any]) -> None:
        for name, value in shown.get("attrs", {}).items():
            if (shown["tag"], name) not in allow_list.WORDS:
                assert not SECRET.search(str(value)), (shown["tag"], name, value)
        for part in shown.get("parts", ()):
            check(part)

    check(Shaper().shape(Node("ib", {}, [node]), to_server=False))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (JID("15550100002", device=3), "s.whatsapp.net:1.3"),
        (JID("900", "lid"), "lid:1"),
        (JID("", "g.us"), "@g.us"),
        ("15550100002:3@s.whatsapp.net", "s.whatsapp.net:1.3"),
        ("status@broadcast", "status@broadcast"),
        ("zq", "~4"),
        (1790000000, "~16"),
    ],
)
def test_an_address_is_a_running_number(value: Any, expected: str) -> None:
    """As the library hands it over, too, where its text has the device behind a dot."""
    shown = Shaper().shape(Node("receipt", {"to": value}), to_server=True)
    assert shown["attrs"] == {"to": expected}


def test_a_person_is_the_same_at_servers_that_are() -> None:
    attrs = {"from": PERSON, "jid": "15550100002:99@hosted", "lid": "15550100002@lid"}
    shown = Shaper().shape(Node("message", attrs), to_server=False)
    assert shown["attrs"] == {"from": "s.whatsapp.net:1", "jid": "hosted:1.99", "lid": "lid:1"}


def test_long_stanzas_are_cut() -> None:
    users = [Node("user", {"jid": f"1555010{number:04}@lid"}) for number in range(5000)]
    shown = Shaper().shape(Node("iq", {}, [Node("list", {}, users)]), to_server=False)
    (listed,) = shown["parts"]
    assert (len(listed["parts"]), listed["more"]) == (998, 4002)
    attrs = {f"x{'y' * number}": "1" for number in range(45)} | {
        f"z{'y' * number}": "1" for number in range(45)
    }
    shown = Shaper().shape(Node("ib", attrs), to_server=False)
    assert (len(shown["attrs"]), shown["attrs"]["?"]) == (65, 90 - 64)


def test_running_numbers_are_forgotten_after_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shape, "REMEMBERED", 3)
    shaper = Shaper()
    seen = [shaper.shape(Node("receipt", {"id": one}), to_server=True) for one in "abcadb"]
    assert [one["attrs"]["id"] for one in seen] == ["#1", "#2", "#3", "#1", "#4", "#5"]


def test_a_login() -> None:
    payload = ClientPayload(username=15550100001, device=7, passive=True, push_name="zqname")
    payload.user_agent.app_version.primary = 2
    payload.user_agent.app_version.secondary = 3000
    payload.user_agent.app_version.tertiary = 1050000000
    shown = login_shape.shape(payload.SerializeToString())
    assert (shown["version"], shown["passive"]) == ("2.3000.1050000000", 1)
    assert shown["pairing"] is False
    assert {"1", "3", "5", "5.2", "7"} <= {*shown["fields"]}
    assert not SECRET.search(str({**shown, "version": ""}))


def test_a_registration() -> None:
    payload = ClientPayload()
    payload.device_pairing_data.e_regid = b"zqzq"
    assert login_shape.shape(payload.SerializeToString()) == {"pairing": True, "fields": ["19"]}


@given(st.binary(max_size=300))
def test_any_payload_is_read(payload: bytes) -> None:
    assert len(str(login_shape.shape(payload))) < 20_000
