"""Replaces former addresses (LID, phone number) of chats and senders in records read from the Redis queue (pure).

A record keeps the address under which it was accepted until its message moves; the alias in Redis has its name
of today (`scripts/renames.lua`).
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from actors.queue.records import Record

_SENDER = '"sender"'
"""In a content that speaks of somebody's message."""


def addresses(records: Iterable[Record]) -> set[str]:
    """Addresses in these records that may have another name today."""
    found = set[str]()
    for record in records:
        found.add(record.chat)
        if _SENDER in record.content:
            found |= {target["sender"] for target in _targets(_packed(record.content))}
    return found


def renamed(record: Record, names: Mapping[str, str]) -> Record:
    """The record under the names of today, of which `names` has those of its `addresses`."""
    content = record.content
    if _SENDER in content:
        packed = _packed(content)
        for target in _targets(packed):
            target["sender"] = names[target["sender"]]
        if packed:
            content = json.dumps(packed, separators=(",", ":"), ensure_ascii=False)
    return replace(record, chat=names[record.chat], content=content)


def _packed(content: str) -> dict[str, Any]:
    """The content as an object; an empty one where a newer release wrote something else."""
    try:
        packed = json.loads(content)
    except ValueError:
        packed = None
    return packed if isinstance(packed, dict) else {}


def _targets(packed: dict[str, Any]) -> list[dict[str, Any]]:
    """Messages of others that the content refers to."""
    quoted = packed.get("reply_to")
    among = [packed.get("target"), quoted and quoted.get("target"), *(packed.get("targets") or ())]
    return [each for each in among if each and each.get("sender")]
