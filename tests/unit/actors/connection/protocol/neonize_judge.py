"""WhatsApp's message classes as whatsmeow has them, in a process: one JSON line a command, one an answer.

The engine's classes are made of a declaration of this project: agreeing with oneself is no proof.
"""

from __future__ import annotations

import json
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

package = find_spec("neonize")
assert package is not None
assert package.submodule_search_locations is not None
sys.path.insert(0, str(Path(package.submodule_search_locations[0]) / "proto"))

from google.protobuf.json_format import MessageToDict, ParseDict  # noqa: E402
from waE2E.WAWebProtobufsE2E_pb2 import Message  # type: ignore[import-not-found]  # noqa: E402


def show(data: str) -> dict[str, Any]:
    return MessageToDict(Message.FromString(bytes.fromhex(data)))


def make(fields: dict[str, Any]) -> str:
    serialized: bytes = ParseDict(fields, Message()).SerializeToString()
    return serialized.hex()


def main() -> None:
    for line in sys.stdin:
        command = json.loads(line)
        answer: object = show(command["with"]) if command["do"] == "show" else make(command["with"])
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
