"""Stores in SQLite which disputed server rules are enforced, for one account or all; each rule is off by default.

Each is contested: a client in wide use breaks it without harm. `own_copies` demands a receipt of type
`sender` for the copy of an own message, `unknown_tags` an answer to a stanza that no client knows;
`unmigrated_lid` refuses a LID of an account that has not migrated; `offline_batches` hands out the offline
queue in batches that a client has to request. `qr_prefix` has the account's phone refuse a QR without a prefix,
`qr_bare` one with a prefix.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from simulator.server.rules.properties import EVERYONE

if TYPE_CHECKING:
    from simulator.server.rules.properties import Properties

SWITCHES: Final = (
    "own_copies",
    "unknown_tags",
    "unmigrated_lid",
    "offline_batches",
    "qr_prefix",
    "qr_bare",
)


class UnknownRuleError(ValueError):
    """An unknown rule; the text lists the known ones."""


class Switches:
    """Switches by account and for all accounts; an account's own precedes, and a rule without a switch is off."""

    def __init__(self, properties: Properties) -> None:
        self._properties = properties

    def on(self, name: str, number: str) -> bool:
        """Returns whether the rule holds for the account of `number`."""
        own = self._properties.get(number, _key(name))
        return (own or self._properties.get(EVERYONE, _key(name))) == "on"

    def turn(self, number: str, name: str, on: bool | None) -> None:
        """Switches a rule for one account, or for `EVERYONE`; None removes the switch.

        Raises UnknownRuleError.
        """
        if name not in SWITCHES:
            raise UnknownRuleError(f"a rule is one of {', '.join(SWITCHES)}")
        value = None if on is None else "on" if on else "off"
        self._properties.put(number, _key(name), value)

    def described(self, number: str) -> dict[str, bool]:
        """Returns each rule, and whether it holds for the account or for `EVERYONE`."""
        return {name: self.on(name, number) for name in SWITCHES}


def _key(name: str) -> str:
    return f"rule:{name}"
