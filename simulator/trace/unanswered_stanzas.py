"""Finds stanzas of a trace that a side left unanswered while the socket went on, for the comparison's report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

UNANSWERED_SECONDS: Final = 10.0
"""Seconds of a socket after a stanza without an answer, from which the stanza counts as unanswered."""

_ACKNOWLEDGED: Final = {
    "in": frozenset({"call", "message", "notification", "receipt", "status"}),
    "out": frozenset({"message"}),
}
"""Stanzas that need an ack of their class, by direction."""
_RECEIPTS: Final = frozenset({None, "inactive", "sender", "peer_msg", "hist_sync"})
"""Types of a receipt by which a client acknowledges a message."""


@dataclass
class AwaitedAnswer:
    """A stanza whose answer is awaited."""

    stanza: dict[str, Any]
    kind: str
    seconds: float = 0.0
    """Seconds that its socket went on."""


class UnansweredStanzas:
    """Follows the stanzas of a trace; `found` has those that were left unanswered so far."""

    def __init__(self) -> None:
        self.found: list[AwaitedAnswer] = []
        self._open: dict[tuple[str, str, str], AwaitedAnswer] = {}
        self._now = 0.0

    def pass_stanza(self, stanza: dict[str, Any], kind: str | None) -> None:
        """Handles the next stanza; one of unknown `kind` answers no known stanza."""
        self._now = stanza["at"]
        direction, tag, attrs = stanza["dir"], stanza["tag"], stanza.get("attrs", {})
        other = "in" if direction == "out" else "out"
        if tag == "iq" and attrs.get("type") not in ("get", "set"):
            self._settle(other, "iq", attrs.get("id"))
        elif tag == "ack":
            self._settle(other, attrs.get("class"), attrs.get("id"))
        elif kind is not None and "id" in attrs:
            if direction == "out" and tag == "receipt" and attrs.get("type") in _RECEIPTS:
                for id_ in (attrs["id"], *_listed(stanza)):
                    self._settle("in", "message", id_)
            if tag == "iq" or tag in _ACKNOWLEDGED[direction]:
                self._open[direction, tag, attrs["id"]] = AwaitedAnswer(stanza, kind)

    def end_socket(self, at: float | None = None) -> None:
        """The socket ended, at this time or after the last stanza."""
        end = self._now if at is None else at
        for owed in self._open.values():
            owed.seconds = end - owed.stanza["at"]
            if owed.seconds >= UNANSWERED_SECONDS:
                self.found.append(owed)
        self._open.clear()

    def _settle(self, direction: str, tag: str | None, id_: str | None) -> None:
        self._open.pop((direction, str(tag), str(id_)), None)


def _listed(receipt: dict[str, Any]) -> list[str]:
    """Returns the ids in the list of a receipt."""
    return [
        item["attrs"]["id"]
        for part in receipt.get("parts", [])
        if part["tag"] == "list"
        for item in part.get("parts", [])
        if "id" in item.get("attrs", {})
    ]
