"""A name that an object has twice is found, also where counting colons could hide it."""

from __future__ import annotations

import pytest

from gateway import body
from gateway.problems import Problem


@pytest.mark.parametrize(
    ("content", "fields"),
    [
        (b'{"to":"a","to":"b"}', 1),
        (b'{"to":"a","\\u0074o":"b"}', 1),
        (b'{"to":"a","to":"a","text":"b"}', 2),
        (b'{"to":"a","text":"b:c","text":"b:c"}', 2),
        (b'{"a":{"b":1,"b":2}}', 1),
    ],
)
def test_a_name_that_is_there_twice_is_refused(content: bytes, fields: int) -> None:
    with pytest.raises(Problem) as refused:
        body.require_each_once(content, fields)
    assert refused.value.kind.code == "duplicate_field"


@pytest.mark.parametrize(
    ("content", "fields"),
    [
        (b"{}", 0),
        (b'{"to":"a","text":"b"}', 2),
        (b'{"to":"a","text":"at 10:30: \\"c\\":"}', 2),
        (b'{"a":{"b":1},"c":[{"b":1},{"b":2}]}', 2),
    ],
)
def test_names_that_differ_are_let_through(content: bytes, fields: int) -> None:
    body.require_each_once(content, fields)
