"""Prints the fields of WhatsApp's messages as neonize has them, as JSON; runs in neonize's environment."""

from __future__ import annotations

import importlib
import json
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

MODULES = (
    "waCommon.WACommon_pb2",
    "waE2E.WAWebProtobufsE2E_pb2",
    "waHistorySync.WAWebProtobufsHistorySync_pb2",
    "waWeb.WAWebProtobufsWeb_pb2",
    "waMmsRetry.WAMmsRetry_pb2",
    "waSyncAction.WAWebProtobufSyncAction_pb2",
)


def main() -> None:
    package = find_spec("neonize")
    assert package is not None
    assert package.submodule_search_locations is not None
    sys.path.insert(0, str(Path(package.submodule_search_locations[0]) / "proto"))
    known: dict[str, Any] = {}
    for module in MODULES:
        known |= importlib.import_module(module).DESCRIPTOR.message_types_by_name
    known["PollOption"] = known["PollCreationMessage"].nested_types_by_name["Option"]
    shown = {
        name: {
            number: {"name": field.name, "repeated": field.is_repeated, "type": field.type}
            for number, field in message.fields_by_number.items()
        }
        for name, message in known.items()
    }
    json.dump(shown, sys.stdout)


if __name__ == "__main__":
    main()
