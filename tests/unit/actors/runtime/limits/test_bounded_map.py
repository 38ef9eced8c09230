"""The map that drops its oldest entries."""

from __future__ import annotations

from actors.runtime.limits.bounded_map import BoundedMap


def test_the_entry_that_was_set_first_is_dropped() -> None:
    entries = BoundedMap[str, int](2)
    for number, name in enumerate("abc"):
        entries[name] = number
    assert entries == {"b": 1, "c": 2}


def test_an_entry_that_is_set_again_is_the_youngest() -> None:
    entries = BoundedMap[str, int](2)
    for number, name in enumerate("abac"):
        entries[name] = number
    assert entries == {"a": 2, "c": 3}


def test_reading_makes_no_entry_younger() -> None:
    entries = BoundedMap[str, int](2)
    entries["a"] = entries["b"] = 0
    assert entries["a"] == entries.get("a") == 0
    entries["c"] = 0
    assert "a" not in entries
