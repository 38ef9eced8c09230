"""Prints the declarations of WhatsApp's messages as whatsmeow has them, as JSON; runs in neonize's environment."""

from __future__ import annotations

import importlib
import json
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

MODULES = (
    "waAdv.WAAdv_pb2",
    "waCert.WACert_pb2",
    "waCommon.WACommon_pb2",
    "waCompanionReg.WACompanionReg_pb2",
    "waE2E.WAWebProtobufsE2E_pb2",
    "waHistorySync.WAWebProtobufsHistorySync_pb2",
    "waMmsRetry.WAMmsRetry_pb2",
    "waSyncAction.WAWebProtobufSyncAction_pb2",
    "waWa6.WAWebProtobufsWa6_pb2",
    "waWeb.WAWebProtobufsWeb_pb2",
)


def shown(message: Any, found: dict[str, Any]) -> str:
    """Add the message, and all that it refers to, under their full names; return its own."""
    name: str = message.full_name
    if name in found:
        return name
    fields = found[name] = {}
    for number, field in message.fields_by_number.items():
        enum = field.enum_type
        fields[str(number)] = {
            "name": field.name,
            "type": field.type,
            "repeated": field.is_repeated,
            "message": None if field.message_type is None else shown(field.message_type, found),
            "values": {} if enum is None else {one.name: one.number for one in enum.values},
        }
    for nested in message.nested_types:
        shown(nested, found)
    return name


def main() -> None:
    package = find_spec("neonize")
    assert package is not None
    assert package.submodule_search_locations is not None
    sys.path.insert(0, str(Path(package.submodule_search_locations[0]) / "proto"))
    found: dict[str, Any] = {}
    roots = {
        name: shown(message, found)
        for module in MODULES
        for name, message in importlib.import_module(
            module
        ).DESCRIPTOR.message_types_by_name.items()
    }
    json.dump({"roots": roots, "messages": found}, sys.stdout)


if __name__ == "__main__":
    main()
