"""The fields that the library lacks are numbered as in WhatsApp's own definitions."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from simulator.wire import proto_schema
from simulator.wire.protocol_library import E2E
from tests.conformance.processes import absent, interpreter

Fields = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def known() -> dict[str, Fields]:
    """WhatsApp's messages by name, as a client that nobody here wrote has them; fields by number."""
    if reason := absent("neonize"):
        pytest.skip(reason)
    program = Path(__file__).with_name("neonize_schema.py")
    told = subprocess.run(
        [interpreter("neonize"), program], capture_output=True, check=True, timeout=60
    )
    found: dict[str, Fields] = json.loads(told.stdout)
    return found


NAMED = {"HistorySyncMessage": "HistorySyncMsg", "PhoneNumberToLid": "PhoneNumberToLIDMapping"}
PLURAL = {"participants": "participant"}
# what is a number here is an enumeration there, of which the wire knows nothing
ENUMERATION = 14


@pytest.mark.parametrize("table", ["_MESSAGES", "_LACKING", "_ADDED"])
def test_the_numbers_are_whatsapps(known: dict[str, Fields], table: str) -> None:
    compared = 0
    for name, fields in getattr(proto_schema, table).items():
        package = proto_schema._PACKAGE if table == "_MESSAGES" else E2E.package
        own = proto_schema._pool.FindMessageTypeByName(f"{package}.{name}")
        other = known.get(NAMED.get(name, name))
        if other is None:
            continue  # certificates and key lists, of other definitions
        for field_name, number, _ in fields:
            field, there = own.fields_by_number[number], other[str(number)]
            plain = PLURAL.get(field_name, field_name).replace("_", "")
            assert there["name"].lower() == plain, f"{name}.{field_name}"
            assert there["repeated"] == field.is_repeated, f"{name}.{field_name}"
            assert there["type"] in (field.type, ENUMERATION), f"{name}.{field_name}"
            compared += 1
    assert compared > 10
