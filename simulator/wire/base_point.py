"""Multiplies Ed25519's base point by a precomputed table, in place of the protocol library's slow loop.

The protocol library doubles and adds through all 252 bits of a scalar, twice for each signature;
that was a third of what a simulator computed. Its formulas stay, and so does its curve.
"""

from __future__ import annotations

from typing import Final

from pywhats.signal.experimental import _ed25519 as ed

_Point = tuple[int, int, int, int]
"""Extended coordinates."""

_NEUTRAL: Final = (0, 1, 1, 0)
_BITS: Final = 4
"""Bits of a digit."""


def _table() -> list[list[_Point]]:
    """By a digit's place and its value; the values of a place begin with 0."""
    rows: list[list[_Point]] = []
    step: _Point = ed.B
    for _ in range(0, ed.q.bit_length(), _BITS):
        row: list[_Point] = [_NEUTRAL]
        for _ in range(1, 1 << _BITS):
            row.append(ed.point_add(row[-1], step))
        rows.append(row)
        step = ed.point_add(row[-1], step)
    return rows


_TABLE: Final = _table()


def multiple(scalar: int) -> _Point:
    """Returns the base point times a scalar, any integer modulo the order of the group."""
    left = scalar % ed.q
    found: _Point = _NEUTRAL
    for row in _TABLE:
        if digit := left & (len(row) - 1):
            found = ed.point_add(found, row[digit])
        left >>= _BITS
    return found


def replace() -> None:
    """Makes the library sign and verify with this multiplication."""
    ed.scalar_mult_base = multiple
