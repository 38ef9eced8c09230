"""The check of the language finds each kind of private language, and the tree has nothing new of it."""

from __future__ import annotations

import pytest

from tests.run import language


@pytest.mark.parametrize(
    ("sentence", "rule"),
    [
        ("Each device is told of it.", "told"),
        ("Stops the owner of before.", "of before"),
        ("Restores the records of the root before.", "of before"),
        ("Keeps what is of now.", "what is of"),
        ("Waits until he answers.", "he"),
        ("Wakes whoever waits.", "whoever"),
        ("Returns the how manieth time it is.", "manieth"),
        ("Sends an errand to the cluster.", "replaced word"),
        ("What a message says.", "relative clause"),
        ("Stores it. Who reads it later gets the newest.", "relative clause"),
    ],
)
def test_a_sentence_of_private_language_is_found(sentence: str, rule: str) -> None:
    for source in (f'"""{sentence}"""\n', f"x = 1  # {sentence}\n", f"# {sentence}\n"):
        assert rule in {
            found.rule for found in language.find("actors/queue/outbound_queue.py", source)
        }
    assert rule in {found.rule for found in language.find("docs/start.md", f"\n{sentence}\n")}


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("a/b.lua", "-- The member is told.\n"),
        ("a/b.go", "x := 1 // The member is told.\n"),
        ("a/b.js", "x = 1; // The member is told.\n"),
        ("a/b.yml", "x: 1\n# The member is told.\n"),
        ("Makefile", "## The member is told.\n"),
    ],
)
def test_comments_of_other_languages_are_read(path: str, sentence: str) -> None:
    assert [found.rule for found in language.find(path, sentence)] == ["told"]


@pytest.mark.parametrize(
    ("path", "source", "name"),
    [
        ("actors/tending.py", "", "tending"),
        ("tests/unit/test_tending.py", "", "test_tending"),
        ("actors/tending/__init__.py", "", "tending"),
        ("actors/children.py", "class SlowTending: pass", "SlowTending"),
    ],
)
def test_gerunds_as_names_are_found(path: str, source: str, name: str) -> None:
    found = [each.text for each in language.find(path, source) if each.rule == "gerund"]
    assert found == [name]


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("actors/connection/pairing.py", '"""Pairs a device by a QR code."""\n'),
        ("actors/queue/test_pacing.py", "class Setting: pass\n"),
        ("a/b.py", '"""Whether the process lives. Where it does not, returns `told`."""\n'),
        ("a/b.py", "told = whoever(he)\n"),
        (
            "docs/start.md",
            "# How it works\n\n| What | Why |\n\n```\nls\n\nHe is told.\n```\n\nHow long?\n",
        ),
    ],
)
def test_plain_language_passes(path: str, source: str) -> None:
    assert [*language.find(path, source)] == []


def test_more_and_fewer_findings_than_listed_are_reported() -> None:
    before = {"actors/queue": {"told": 2, "he": 1}, "gateway/api": {"told": 1}}
    now = {"actors/queue": {"told": 3, "he": 1}, "docs/start.md": {"told": 1}}
    more, fewer = language.compare(now, before)
    assert more == [("actors/queue", "told"), ("docs/start.md", "told")]
    assert fewer == [("gateway/api", "told")]


def test_the_tree_has_no_other_findings_than_those_that_are_listed() -> None:
    assert not language.report(), "\n".join(language.report())
