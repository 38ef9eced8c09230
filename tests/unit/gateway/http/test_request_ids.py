from __future__ import annotations

import pytest

from gateway.http.request_ids import REQUEST_ID_HEADER, chosen

OTHER = (b"x-api-key", b"tmo_xxxxxxxx")


@pytest.mark.parametrize(
    "given",
    [
        b"checkout-42.a_b",
        b"550e8400-e29b-41d4-a716-446655440000",  # a UUID may have many digits in a row
        b"0AF7651916CD43DD8448EB211C80319C",
        b"01ARZ3NDEKTSV4RRFFQ69G5FAV",
        b"a" * 64,
    ],
)
def test_the_callers_own(given: bytes) -> None:
    assert chosen([OTHER, (REQUEST_ID_HEADER, given)]) == given.decode()


@pytest.mark.parametrize(
    "given",
    [
        b"",
        b"short",
        b"a" * 65,
        b"15550100001",
        b"order-15550100001",
        b"0000000015550100001",
        b"two words",
        b"line\nend1",
        b'quote"quote',
        b"{injected}",
        "größer-als".encode(),
        b"\xff\xfe\xfd\xfc\xfb\xfa\xf9\xf8",
        b"-leading-dash",
    ],
)
def test_what_is_not_taken(given: bytes) -> None:
    made = chosen([(REQUEST_ID_HEADER, given), OTHER])
    assert made.encode() != given
    assert len(made) == 16


def test_of_several_none_is_taken() -> None:
    assert (
        len(chosen([(REQUEST_ID_HEADER, b"checkout-1"), (REQUEST_ID_HEADER, b"checkout-2")])) == 16
    )


def test_each_is_another() -> None:
    assert len({chosen([OTHER]) for _ in range(100)}) == 100
