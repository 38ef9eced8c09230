"""The fields that the library lacks are numbered as in WhatsApp's own definitions."""

from __future__ import annotations

import importlib
import importlib.util
import io
import os
from typing import Any

import pytest

from simulator.wire import proto_schema
from simulator.wire.protocol import E2E

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("neonize") is None, reason="neonize is not installed"
)


@pytest.fixture(scope="module", autouse=True)
def _loaded() -> None:
    """Its package asks for the system's name as it is loaded, and leaves that pipe open."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "popen", lambda _: io.StringIO("Linux"))
        importlib.import_module("neonize")


def theirs() -> dict[str, Any]:
    """WhatsApp's messages by name, as a client that nobody here wrote has them."""
    known: dict[str, Any] = {}
    for module in (
        "waCommon.WACommon_pb2",
        "waE2E.WAWebProtobufsE2E_pb2",
        "waHistorySync.WAWebProtobufsHistorySync_pb2",
        "waWeb.WAWebProtobufsWeb_pb2",
        "waMmsRetry.WAMmsRetry_pb2",
        "waSyncAction.WAWebProtobufSyncAction_pb2",
    ):
        described = importlib.import_module(f"neonize.proto.{module}").DESCRIPTOR
        known |= described.message_types_by_name
    known["PollOption"] = known["PollCreationMessage"].nested_types_by_name["Option"]
    return known


NAMED = {"HistorySyncMessage": "HistorySyncMsg", "PhoneNumberToLid": "PhoneNumberToLIDMapping"}
PLURAL = {"participants": "participant"}
# what is a number here is an enumeration there, of which the wire knows nothing
ENUMERATION = 14


@pytest.mark.parametrize("table", ["_MESSAGES", "_LACKING", "_ADDED"])
def test_the_numbers_are_whatsapps(table: str) -> None:
    known, compared = theirs(), 0
    for name, fields in getattr(proto_schema, table).items():
        package = proto_schema._PACKAGE if table == "_MESSAGES" else E2E.package
        own = proto_schema._pool.FindMessageTypeByName(f"{package}.{name}")
        other = known.get(NAMED.get(name, name))
        if other is None:
            continue  # certificates and key lists, of other definitions
        for field_name, number, _ in fields:
            field, there = own.fields_by_number[number], other.fields_by_number[number]
            plain = PLURAL.get(field_name, field_name).replace("_", "")
            assert there.name.lower() == plain, f"{name}.{field_name}"
            assert there.is_repeated == field.is_repeated, f"{name}.{field_name}"
            assert there.type in (field.type, ENUMERATION), f"{name}.{field_name}"
            compared += 1
    assert compared > 10
