"""Ids of connections differ from names, and are taken apart again."""

from __future__ import annotations

import pytest

from actors.runtime.connection_ids import id_in, is_connection, is_name, name_of, new_id

NAMES = pytest.mark.parametrize(
    "name", ["a", "0", "shop", "a--b", "a-b_c", "shop-", "shop--", "shop---", "a--0", "x" * 64]
)


@NAMES
def test_an_id_is_taken_apart_as_it_was_put_together(name: str) -> None:
    made = new_id(name)
    assert is_connection(made)
    assert not is_name(made), "nobody can create a connection whose name is an id"
    assert name_of(made) == name
    assert id_in({"id": name, "incarnation": made}) == made


@NAMES
def test_the_id_of_an_older_release_is_its_name(name: str) -> None:
    assert is_name(name)
    assert is_connection(name)
    assert (name_of(name), id_in({"id": name})) == (name, name)


def test_no_id_comes_twice() -> None:
    assert len({new_id("shop") for _ in range(10_000)}) == 10_000


@pytest.mark.parametrize(
    "text",
    ["shop--", "shop--k7q2m9xa4tbc", "shop--7Q2M9XA4TBCD", "shop-K7Q2M9XA4TBC", "--K7Q2M9XA4TBC"],
)
def test_what_is_nearly_an_id(text: str) -> None:
    assert not is_connection(text) or name_of(text) == text
