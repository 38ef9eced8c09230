from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.schemas.addresses import (
    CHAT_PATTERN,
    PERSON_PATTERN,
    InvalidAddress,
    canonical,
    chat,
    person,
)

CANONICAL = "15550100002@s.whatsapp.net"


@pytest.mark.parametrize(
    "written",
    [
        "15550100002",
        "+15550100002",
        "+1 555 010-0002",
        "+1 (555) 010-0002",
        " 15550100002 ",
        CANONICAL,
    ],
)
def test_ways_to_write_a_number(written: str) -> None:
    assert canonical(written) == CANONICAL


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("", "invalid_number"),
        ("+", "invalid_number"),
        ("-() ", "invalid_number"),
        ("155501", "invalid_number"),  # six digits
        ("1555010000212345", "invalid_number"),  # sixteen
        ("0015550100002", "invalid_number"),  # an exit code is not a country code
        ("1+5550100002", "invalid_number"),
        ("1555.010.0002", "invalid_number"),
        ("1555010000٢", "invalid_number"),  # a digit, but not one of ours
        ("15550100002\n", "invalid_number"),
        ("15550100002x", "invalid_number"),
        (" " * 100 + "15550100002", "invalid_number"),
        ("15550100002:3@s.whatsapp.net", "invalid_number"),
        ("+15550100002@s.whatsapp.net", "invalid_number"),
        ("05550100002@s.whatsapp.net", "invalid_number"),
        ("15550100002@example.org", "invalid_number"),
        ("120363000000000000@g.us", "unsupported_chat"),
        ("123456789@lid", "unsupported_chat"),
        ("status@broadcast", "unsupported_chat"),
    ],
)
def test_what_is_no_number(written: str, code: str) -> None:
    with pytest.raises(InvalidAddress) as refused:
        canonical(written)
    assert refused.value.code == code


@pytest.mark.parametrize(
    "group", ["120363000000000001@g.us", "15550100001-1600000000@g.us", "12345@g.us"]
)
def test_a_group_is_a_chat(group: str) -> None:
    assert chat(group) == group
    assert re.search(CHAT_PATTERN, group)


@pytest.mark.parametrize(
    "written", ["1@g.us", "12345@g.us ", "12345-1@g.us", "012345@g.us", "@g.us"]
)
def test_what_is_no_group(written: str) -> None:
    with pytest.raises(InvalidAddress):
        chat(written)
    assert not re.search(CHAT_PATTERN, written)


@given(st.text(max_size=80))
def test_anything_is_either_canonical_or_refused_without_being_repeated(written: str) -> None:
    refusal = ""
    try:
        address = canonical(written)
    except InvalidAddress as error:
        refusal = str(error)
    else:
        assert canonical(address) == address
        assert address.removesuffix("@s.whatsapp.net").isdigit()
    assert len(written) < 12 or written not in refusal


LID = "90000000000002@lid"


def test_a_lid_is_a_person_and_a_chat_and_shows_no_number() -> None:
    assert (person(LID), chat(LID)) == (LID, LID)
    assert re.search(PERSON_PATTERN, LID)
    assert re.search(CHAT_PATTERN, LID)
    with pytest.raises(InvalidAddress, match="LID"):
        canonical(LID)


@pytest.mark.parametrize(
    "written", ["1@lid", "01234567@lid", "90000000000002:3@lid", "@lid", "9a0000000@lid", LID + " "]
)
def test_what_is_no_lid(written: str) -> None:
    with pytest.raises(InvalidAddress):
        person(written)
    assert not re.search(PERSON_PATTERN, written)
