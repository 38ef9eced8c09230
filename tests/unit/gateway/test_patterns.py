"""Patterns of the OpenAPI document for addresses and texts match exactly those that the code takes."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from actors.messages import field_types
from gateway.schemas import addresses

ADDRESS = re.compile(addresses.PHONE_PATTERN)
NUMBER = re.compile(addresses.NUMBER_PATTERN)
TEXT = re.compile(field_types.TEXT_PATTERN)
WRITTEN = st.text("+ ()-0123456789@s.whatpne", max_size=70) | st.from_regex(ADDRESS, fullmatch=True)
CHARACTERS = st.characters(exclude_categories=["Cs"])


@given(WRITTEN)
@example("0" + "1" * 8)
@example(" +15550100002")
@example("+ (1)555-010-0002 ")
@example("1" * 16)
@example("1   5(((5---5 (-0) (1)  0-  0-  0)))2   ")
@example("1555010000    2")
@example("15550100002@s.whatsapp.net")
def test_addresses(written: str) -> None:
    try:
        addresses.canonical(written)
    except addresses.InvalidAddress:
        taken = False
    else:
        taken = True
    assert (ADDRESS.fullmatch(written) is not None) is taken
    assert not taken or 7 <= len(written) <= addresses.MAX_ADDRESS_CHARACTERS
    number = taken and "@" not in written
    assert (NUMBER.fullmatch(written) is not None) is number
    if number:
        assert addresses.number(written) == addresses.canonical(written)
    else:
        with pytest.raises(addresses.InvalidAddress):
            addresses.number(written)


@given(st.text(st.sampled_from("a \t\n\x0b\x1c\x85\xa0\u2007\u3000\u200b\ufeff") | CHARACTERS))
def test_texts(written: str) -> None:
    try:
        field_types.sendable(written)
    except field_types.InvalidText:
        taken = False
    else:
        taken = True
    assert (TEXT.fullmatch(written) is not None) is taken


def test_every_white_space_is_known() -> None:
    for number in range(0x110000):
        if chr(number).isspace():
            assert TEXT.fullmatch(chr(number)) is None, hex(number)
