"""The check of the language finds each kind of private language, and the tree has nothing new of it."""

from __future__ import annotations

from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from tests.run import language

if TYPE_CHECKING:
    from pathlib import Path


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


def test_errors_and_log_texts_are_read() -> None:
    (found,) = language.find("a/b.py", 'raise ValueError(f"{name} was told twice")\n')
    assert found.rule == "told"


@pytest.mark.parametrize(
    ("path", "mark"), [("a/b.py", "#"), ("a/b.lua", "--"), ("a/b.go", "//"), ("a/b.js", "//")]
)
def test_comments_of_several_lines_are_one_passage(path: str, mark: str) -> None:
    source = f"{mark} Stops the owner of\n{mark} before. What\n{mark} is left stays.\n"
    found = [each.rule for each in language.find(path, source)]
    assert found == ["of before", "relative clause"]


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


@pytest.mark.parametrize("name", ["on_told", "_Told", "AsyncTally"])
def test_private_names_are_found(name: str) -> None:
    kind = "class" if name.strip("_")[0].isupper() else "async def"
    source = f"{kind} {name}():\n    pass\n"
    assert [each.rule for each in language.find("a/b.py", source)] == ["private name"]


@pytest.mark.parametrize(
    ("path", "name", "rules"),
    [
        ("actors/queue/x.py", "ask_owner", ["private name"]),
        ("actors/queue/x.py", "keep_own", ["private name"]),
        ("gateway/api/x.py", "_said", ["private name"]),
        ("simulator/control/x.py", "asked", ["private name"]),
        ("simulator/control/x.py", "phone_say", []),
        ("gateway/cli/simulate/x.py", "say", []),
        ("tests/chaos/x.py", "ask", []),
        ("actors/queue/x.py", "task_of", []),
    ],
)
def test_verbs_for_people_are_found(path: str, name: str, rules: list[str]) -> None:
    source = f"def {name}():\n    pass\n"
    assert [each.rule for each in language.find(path, source)] == rules


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


def test_counts_are_lowered_and_never_raised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [language.Finding("a/b/c.py", 1, "told", "is told")] * 2
    monkeypatch.setattr(language, "COUNTS", tmp_path / "counts.json")
    monkeypatch.setattr(language, "findings", lambda: tuple(found))
    language.lower()
    assert language.listed() == {"a/b": {"told": 2}}
    found.pop()
    assert language.report() == [
        "a/b: fewer findings of 'told' than listed: `python -m tests.run.language --lower`"
    ]
    language.lower()
    assert language.report() == []
    found.append(found[0])
    with pytest.raises(SystemExit, match="2 findings of 'told', 1 listed"):
        language.lower()
    assert language.listed() == {"a/b": {"told": 1}}


@pytest.mark.parametrize(
    ("path", "unit"),
    [
        ("actors/queue/scripts/a.lua", "actors/queue"),
        ("simulator/store.py", "simulator"),
        ("tests/unit/simulator/wire/test_noise.py", "tests/unit/simulator"),
        ("tests/conftest.py", "tests"),
        ("docs/start.md", "docs/start.md"),
        ("README.md", "README.md"),
    ],
)
def test_counts_are_kept_by_folder_and_by_document(path: str, unit: str) -> None:
    assert language.folder_of(path) == unit


def test_line_numbers_are_those_of_the_file() -> None:
    source = dedent('''\
        x = 1


        def f() -> None:
            """Is told."""
        ''')
    assert [found.line for found in language.find("a/b.py", source)] == [5]


def test_the_tree_has_no_other_findings_than_those_that_are_listed() -> None:
    assert not language.report(), "\n".join(language.report())
