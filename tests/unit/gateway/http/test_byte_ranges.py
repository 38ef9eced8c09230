"""Which part of a file is asked for."""

from __future__ import annotations

import pytest

from gateway.http.byte_ranges import Unsatisfiable, is_cached, part


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        (None, None),
        ("bytes=0-0", (0, 1)),
        ("bytes=0-9", (0, 10)),
        ("Bytes=2-", (2, 10)),
        ("bytes=-3", (7, 10)),
        ("bytes=-30", (0, 10)),
        ("bytes=9-99999999999", (9, 10)),
        # what cannot be read, or is several, is all of it
        ("bytes=5-2", None),
        ("bytes=-", None),
        ("bytes=0-1,3-4", None),
        ("bytes=a-b", None),
        ("bytes=\u0661-2", None),
        ("lines=1-2", None),
        ("", None),
    ],
)
def test_parts(asked: str | None, found: tuple[int, int] | None) -> None:
    assert part(asked, None, "x", 10) == found


@pytest.mark.parametrize("asked", ["bytes=10-", "bytes=10-20", "bytes=-0"])
def test_what_no_file_of_ten_bytes_has(asked: str) -> None:
    with pytest.raises(Unsatisfiable):
        part(asked, None, "x", 10)


def test_a_part_of_another_file_is_not_given() -> None:
    assert part("bytes=0-1", '"x"', "x", 10) == (0, 2)
    for other in ('"y"', "x", 'W/"x"', "Thu, 26 Nov 2026 00:00:00 GMT"):
        assert part("bytes=0-1", other, "x", 10) is None


def test_a_caller_who_has_it() -> None:
    assert is_cached('"y", W/"x"', "x")
    assert is_cached('"y",W/"x"', "x")
    assert is_cached("*", "x")
    assert not is_cached('"y"', "x")
    assert not is_cached(None, "x")
