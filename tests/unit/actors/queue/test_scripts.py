"""Each script has the parts that its transitions need, and no other; each transition runs in one."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

from actors.queue.transitions import (
    ACCEPTING,
    DEFERRING,
    JOINING,
    KEEPING,
    SCRIPTS,
    SENDING,
)
from actors.redis.leases.leases import SCRIPT as LEASE

ALONE = {"commands.lua", "presence.lua"}
"""Scripts by themselves, of other keys."""

PARTS = {
    part.name: part.read_text()
    for room in ("actors.redis", "actors.redis.leases", "actors.queue.scripts")
    for part in files(room).iterdir()
    if part.name.endswith(".lua") and part.name not in ALONE
}
ALL = {
    "accept": ACCEPTING,
    "send": SENDING,
    "defer": DEFERRING,
    "join": JOINING,
    "keep": KEEPING,
    "lease": LEASE,
}
INSIDE = {"claim"}
"""Transitions that only another one calls."""


def code(text: str) -> str:
    """Without what is said in it: comments, and the texts in quotes."""
    return re.sub(r"'[^'\n]*'", "''", re.sub(r"--.*", "", text))


def given(part: str) -> set[str]:
    """The functions and constants that a part has for those behind it."""
    text = code(PARTS[part])
    named = re.findall(r"^local ([A-Za-z_, \n]+?) =", text, re.MULTILINE)
    return {
        *re.findall(r"^local function (\w+)", text, re.MULTILINE),
        *(name.strip() for names in named for name in names.split(",")),
    }


def transitions(part: str) -> set[str]:
    return set(re.findall(r"^function transitions\.(\w+)", PARTS[part], re.MULTILINE))


def needed(part: str) -> set[str]:
    """Returns the functions that it calls, and the constants that it reads, as far as parts define them."""
    text = code(PARTS[part])
    called = set(re.findall(r"(?<![\w.:])(?<!function )(\w+)\(", text))
    constants = set(re.findall(r"(?<![\w.])[A-Z_]{2,}\b", text))
    return (called | constants) & {name for each in PARTS for name in given(each)}


def parts(script: str) -> list[str]:
    """The parts of a script, in their order."""
    text = ALL[script].text
    return sorted(
        (part for part in PARTS if PARTS[part] in text), key=lambda p: text.index(PARTS[p])
    )


def runs(transition: str, script: str) -> bool:
    if ALL[script] is LEASE:
        return True
    return transition not in INSIDE and SCRIPTS.get(transition, KEEPING) is ALL[script]


@pytest.mark.parametrize("script", ALL)
def test_a_script_has_what_each_of_its_parts_needs_before_it(script: str) -> None:
    assert parts(script)[0] == "transitions.lua"
    before: set[str] = set()
    for part in parts(script):
        before |= given(part)
        assert needed(part) <= before, part


@pytest.mark.parametrize("script", ALL)
def test_a_script_has_no_part_that_nothing_in_it_needs(script: str) -> None:
    """Each run defines anew all that is in its script: on the path of a message that is paid for."""
    for number, part in enumerate(parts(script)):
        later = {name for each in parts(script)[number + 1 :] for name in needed(each)}
        own = {name for name in transitions(part) if runs(name, script)}
        assert own or given(part) & later, part


def test_each_transition_runs_in_a_script_that_has_it() -> None:
    for part in PARTS:
        for name in transitions(part):
            if name in INSIDE:
                assert any(f"transitions.{name}(" in code(text) for text in PARTS.values())
            else:
                assert any(runs(name, script) and part in parts(script) for script in ALL), name


def test_each_part_is_in_a_script() -> None:
    assert {part for script in ALL for part in parts(script)} == PARTS.keys()
