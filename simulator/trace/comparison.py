"""Compares a recorded trace with the catalogue of known features; reports unknown features and unanswered stanzas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simulator.trace.features import Conversation, Feature, features
from simulator.trace.unanswered_stanzas import UnansweredStanzas

if TYPE_CHECKING:
    from collections.abc import Iterable
    from collections.abc import Set as AbstractSet


class TraceComparison:
    """Collects, line by line, the features of a trace that are not in the catalogue."""

    def __init__(self, catalogue: AbstractSet[Feature]) -> None:
        self._catalogue = catalogue
        self._head: dict[str, Any] = {}
        self._stanzas = 0
        self._dropped = [0]  # of each trace in the file
        self._new: dict[Feature, dict[str, Any]] = {}
        self._conversation = Conversation()
        self._unanswered = UnansweredStanzas()

    def report(self, lines: Iterable[dict[str, Any]]) -> dict[str, Any]:
        """Returns the trace, the unknown features in both directions, and the unanswered stanzas.

        Of nested unknown features only the widest is listed: a new part without its attributes.
        """
        for line in lines:
            self._pass(line)
        self._unanswered.end_socket()
        return {
            "by": self._head["by"],
            "began": self._head.get("began"),
            "stanzas": self._stanzas,
            "dropped": sum(self._dropped),
            "never_sent": self._of("in"),
            "never_seen": self._of("out"),
            "unanswered": [
                {
                    "dir": owed.stanza["dir"],
                    "kind": owed.kind,
                    "id": owed.stanza["attrs"]["id"],
                    "at": owed.stanza["at"],
                    "seconds": round(owed.seconds, 3),
                }
                for owed in self._unanswered.found
            ],
        }

    def _pass(self, line: dict[str, Any]) -> None:
        match line:
            case {"trace": _}:
                self._head = self._head or line
                if line["part"] == 1:
                    self._conversation = Conversation()
                    self._unanswered.end_socket()
                    self._dropped.append(0)
            case {"event": "gap", "dropped": dropped}:
                self._dropped[-1] = dropped
            case {"event": "login" | "end"}:
                self._unanswered.end_socket(line["at"])
            case {"dir": _}:
                self._stanzas += 1
                kind = self._conversation.kind(line)
                self._unanswered.pass_stanza(line, kind)
                if kind is not None:
                    self._compare(line, kind)

    def _compare(self, stanza: dict[str, Any], kind: str) -> None:
        beyond: set[Feature] = set()
        new: set[Feature] = set()
        for feature in features(stanza, kind):
            if feature.above in beyond:
                beyond.add(feature)
            elif feature not in self._catalogue:
                beyond.add(feature)
                new.add(feature)
        for feature in sorted(new):
            first = {"kind": kind, "what": _what(feature), "times": 0, "at": stanza["at"]}
            self._new.setdefault(feature, first)["times"] += 1

    def _of(self, direction: str) -> list[dict[str, Any]]:
        return [found for feature, found in self._new.items() if feature.direction == direction]


def _what(feature: Feature) -> str:
    """Returns the unknown feature below its kind: empty for the kind, else like `enc type=pkmsg`."""
    part = f"<{feature.part}>" if feature.part else ""
    attribute = f"{feature.name}={feature.value}" if feature.value else feature.name
    return f"{part} {attribute}".strip()
