"""A person in answers: of what is known, the name of the address book first, then the push name, then the number."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.schemas.people.people import person

ANA, LID = "15550100002@s.whatsapp.net", "90000000000002@lid"


@pytest.mark.parametrize(
    ("address", "named", "expected"),
    [
        (ANA, {}, ("15550100002", None, "+15550100002")),
        (
            ANA,
            {"sender_name": "Ana Pereira", "push_name": "Ana"},
            ("15550100002", None, "Ana Pereira"),
        ),
        (ANA, {"sender_name": None, "push_name": "Ana"}, ("15550100002", None, "Ana")),
        (ANA, {"sender_lid": LID}, ("15550100002", LID, "+15550100002")),
        (LID, {"sender_name": "Ana"}, (None, LID, "Ana")),
        (LID, {}, (None, LID, None)),
    ],
)
def test_a_person_is_what_is_known(
    address: str, named: dict[str, Any], expected: tuple[str | None, ...]
) -> None:
    found = person(address, named)
    assert found is not None
    assert found.address == address
    assert (found.number, found.lid, found.name) == expected


def test_nobody_is_none() -> None:
    assert person(None, {"push_name": "Ana"}) is None
