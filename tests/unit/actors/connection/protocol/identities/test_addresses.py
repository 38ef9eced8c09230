from __future__ import annotations

import pytest

from actors.connection.protocol.identities.addresses import (
    Address,
    parse_optional,
    participant_hash,
)


@pytest.mark.parametrize(
    ("text", "expected", "formatted"),
    [
        ("15550100002@s.whatsapp.net", Address("15550100002", "s.whatsapp.net"), None),
        ("15550100002:3@s.whatsapp.net", Address("15550100002", "s.whatsapp.net", 3), None),
        (
            "15550100002:0@s.whatsapp.net",
            Address("15550100002", "s.whatsapp.net"),
            "15550100002@s.whatsapp.net",
        ),
        (
            "15550100002@c.us",
            Address("15550100002", "s.whatsapp.net"),
            "15550100002@s.whatsapp.net",
        ),
        ("90000000000002:3@lid", Address("90000000000002", "lid", 3), None),
        (
            "15550100002_1:3@s.whatsapp.net",
            Address("15550100002", "s.whatsapp.net", 3),
            "15550100002:3@s.whatsapp.net",
        ),
        ("120363000000000001@g.us", Address("120363000000000001", "g.us"), None),
        ("120363000000-000001@g.us", Address("120363000000-000001", "g.us"), None),
        ("@s.whatsapp.net", Address("", "s.whatsapp.net"), None),
    ],
)
def test_parse_and_format(text: str, expected: Address, formatted: str | None) -> None:
    assert Address.parse(text) == expected
    assert str(Address.parse(text)) == (formatted or text)


@pytest.mark.parametrize(
    "text", ["", "15550100002", "a@b@c", "1:x@lid", "1:999999@lid", "1@LID", "1@"]
)
def test_what_is_no_address(text: str) -> None:
    assert parse_optional(text) is None
    with pytest.raises(ValueError, match="not an address"):
        Address.parse(text)


def test_one_person_under_two_addresses() -> None:
    device = Address.parse("90000000000002:3@lid")
    person = Address.parse("15550100002@s.whatsapp.net")
    assert str(device.of(person)) == "15550100002:3@s.whatsapp.net"
    assert device.canonical == Address.parse("90000000000002@lid")
    assert device.is_person
    assert not Address.parse("120363000000000001@g.us").is_person


def test_participant_hash_does_not_depend_on_order() -> None:
    devices = [Address.parse(f"1555010000{n}:{n}@s.whatsapp.net") for n in range(3)]
    assert participant_hash(devices) == participant_hash(reversed(devices))
    assert participant_hash(devices).startswith("2:")
    assert participant_hash(devices) != participant_hash(devices[:2])
