"""The body of a request is the same each time it is read, with a file in it or without."""

from __future__ import annotations

import base64
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from gateway.webhooks.requests.body import BASE64_PIECE_BYTES, DeliveryBody

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    "size",
    [
        0,
        1,
        2,
        3,
        BASE64_PIECE_BYTES - 1,
        BASE64_PIECE_BYTES,
        BASE64_PIECE_BYTES + 1,
        3 * BASE64_PIECE_BYTES + 5,
    ],
)
async def test_a_file_stands_in_it_as_base64(tmp_path: Path, size: int) -> None:
    data = bytes(number % 251 for number in range(size))
    file = tmp_path / "file"
    file.write_bytes(data)
    with closing(DeliveryBody(b'{"a":"', file.open("rb"), size, b'"}')) as body:
        expected = b'{"a":"' + base64.b64encode(data) + b'"}'
        assert b"".join(body.pieces()) == expected
        assert b"".join([piece async for piece in body.stream()]) == expected
        assert len(body) == len(expected)
        assert max(map(len, body.pieces())) <= BASE64_PIECE_BYTES * 4 // 3
        assert body.whole is None


def test_a_file_that_became_shorter_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"abc")
    with (
        closing(DeliveryBody(b"", file.open("rb"), 4)) as body,
        pytest.raises(OSError, match="shorter"),
    ):
        list(body.pieces())


def test_one_without_a_file_is_whole() -> None:
    body = DeliveryBody(b"{}")
    assert (body.whole, list(body.pieces()), len(body)) == (b"{}", [b"{}"], 2)
