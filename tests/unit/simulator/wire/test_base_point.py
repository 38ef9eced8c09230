"""Multiples of the base point are those of the protocol library, which doubles and adds."""

from __future__ import annotations

import secrets
from typing import Any

import pytest

from simulator.wire import base_point
from simulator.wire.protocol_library import IdentityKeyPair, xeddsa_verify

ed: Any = vars(base_point)["ed"]
EDGES = (0, 1, 2, 15, 16, 17, 2**252, ed.q - 1, ed.q, ed.q + 1, 2**255 - 19, -1)


@pytest.mark.parametrize(
    "scalar", [*EDGES, *(secrets.randbits(256) for _ in range(8))], ids=lambda _: ""
)
def test_a_multiple_is_the_librarys(scalar: int) -> None:
    expected = ed._scalar_mult(scalar % ed.q, ed.B)
    assert ed.encode_point(base_point.multiple(scalar)) == ed.encode_point(expected)


def test_the_librarys_signatures_come_from_it(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    table = ed.scalar_mult_base
    assert table is base_point.multiple

    def verified(scalar: int) -> object:
        asked.append(scalar)
        return table(scalar)

    monkeypatch.setattr(ed, "scalar_mult_base", verified)
    pair = IdentityKeyPair.generate()
    signature = pair.sign(b"a prekey")
    assert len(asked) == 2
    assert xeddsa_verify(pair.public, b"a prekey", signature)
    assert not xeddsa_verify(pair.public, b"another", signature)
