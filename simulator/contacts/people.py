"""Stores the simulated people (account owners, contacts) in SQLite: phone number, LID, behaviour (receipts, prekeys)."""

from __future__ import annotations

import re
import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from simulator.wire.protocol_library import (
    HOSTED_DEVICE,
    HOSTED_SERVERS,
    JID,
    LID_SERVER,
    PN_SERVER,
    namespace,
)

if TYPE_CHECKING:
    from simulator.store import Store

_NUMBER: Final = re.compile(r"[0-9]{7,15}")
RECEIPTS: Final[dict[str, tuple[str, ...]]] = {
    "none": (),
    "inactive": ("inactive",),
    "delivered": ("",),
    "read": ("", "read"),
}
"""Types of receipts that a person's devices send for a message, by the person's `receipts`."""
ADDRESSINGS: Final = {"pn": PN_SERVER, "lid": LID_SERVER}
_CHANGEABLE: Final = (
    "name",
    "registered",
    "receipts",
    "delivered_after",
    "read_after",
    "addressing",
    "prekeys",
)


class UnknownNumberError(ValueError):
    """Not a phone number: 7 to 15 digits."""


@dataclass(frozen=True)
class Person:
    """One person, who may be an account's owner, a contact, or both.

    `addressing` is the server part of all the person's stanzas, empty while they follow the message
    that they answer; `prekeys` how many more bundles carry a one-time prekey (-1: no end); `listed_at` when
    the device list last changed; `last_device` the highest device id ever given.
    """

    number: str
    lid: str
    raw_id: int
    name: str
    registered: bool
    receipts: str
    delivered_after: float
    read_after: float
    addressing: str
    prekeys: int
    listed_at: int
    last_device: int

    def address(self, server: str, device: int = 0) -> Any:
        """The person's JID by phone number or by LID, as `server` says.

        A hosted device has a server part of its own.
        """
        user = self.lid if server == LID_SERVER else self.number
        return JID(user, HOSTED_SERVERS[server] if device == HOSTED_DEVICE else server, device)

    def addresses(self) -> tuple[str, str]:
        """Both addresses, by phone number and by LID."""
        return str(self.address(PN_SERVER)), str(self.address(LID_SERVER))


class People:
    """All people. A person exists from the first use of the number on."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._cache: dict[str, Person] = {}
        self._numbers: dict[str, str] = {}
        store.on_rollback(self._forget)

    def _forget(self) -> None:
        self._cache.clear()
        self._numbers.clear()

    def named(self, number: str) -> Person:
        """Returns the person of a number, created at first use. Raises UnknownNumberError."""
        if not _NUMBER.fullmatch(number):
            raise UnknownNumberError("a number is 7 to 15 digits")
        if number not in self._cache:
            found = self._store.row("SELECT * FROM people WHERE number = ?", number)
            if found is None:
                with self._store.transaction():
                    self._store.execute(
                        "INSERT INTO people (number, lid, raw_id, name, listed_at)"
                        " VALUES (?, ?, ?, ?, ?)",
                        number,
                        str(10**14 + secrets.randbelow(9 * 10**14)),
                        secrets.randbelow(1 << 31),
                        f"Person {number[-4:]}",
                        int(time.time()),
                    )
                found = self._store.row("SELECT * FROM people WHERE number = ?", number)
            assert found is not None
            person = Person(
                number=found["number"],
                lid=found["lid"],
                raw_id=found["raw_id"],
                name=found["name"],
                registered=bool(found["registered"]),
                receipts=found["receipts"],
                delivered_after=found["delivered_after"],
                read_after=found["read_after"],
                addressing=found["addressing"],
                prekeys=found["prekeys"],
                listed_at=found["listed_at"],
                last_device=found["next_device"] - 1,
            )
            self._cache[number] = person
            self._numbers[person.lid] = number
        return self._cache[number]

    def at(self, jid: Any) -> Person | None:
        """Returns the person of a JID of either kind, or of a hosted device; None without one."""
        by = namespace(jid)
        if by is None or jid.server != (HOSTED_SERVERS[by] if jid.device == HOSTED_DEVICE else by):
            return None
        if by == LID_SERVER:
            number = self._numbers.get(jid.user)
            if number is None:
                found = self._store.row("SELECT number FROM people WHERE lid = ?", jid.user)
                number = found["number"] if found is not None else None
            return None if number is None else self.named(number)
        return self.named(jid.user) if _NUMBER.fullmatch(jid.user) else None

    def change(self, number: str, changes: dict[str, Any]) -> Person:
        """Changes behaviour: name, registered, receipts, delivered_after, read_after (seconds).

        And addressing (a server part, or empty) and prekeys.
        """
        self.named(number)
        with self._store.transaction():
            for column in _CHANGEABLE:
                if column in changes:
                    self._store.execute(
                        f"UPDATE people SET {column} = ? WHERE number = ?",  # noqa: S608
                        changes[column],
                        number,
                    )
        self._cache.pop(number, None)
        return self.named(number)

    def next_device(self, number: str) -> int:
        """Reserves the number's next device id; no id is used twice, and the hosted one's never."""
        self.named(number)
        with self._store.transaction():
            device = self._store.number("SELECT next_device FROM people WHERE number = ?", number)
            self._store.execute(
                "UPDATE people SET next_device = next_device + 1 WHERE number = ?", number
            )
        self._cache.pop(number, None)
        return device if device != HOSTED_DEVICE else self.next_device(number)

    def takes_prekey(self, number: str) -> bool:
        """Whether the next bundle of the person's devices carries a one-time prekey."""
        person = self.named(number)
        if person.prekeys > 0:
            self.change(number, {"prekeys": person.prekeys - 1})
        return person.prekeys != 0

    def relisted(self, number: str, *, renumbered: bool = False) -> None:
        """The device list changed: it is dated later than before, in whole seconds.

        With `renumbered` it also gets another raw id, as when the phone's identity changes.
        """
        person = self.named(number)
        with self._store.transaction():
            self._store.execute(
                "UPDATE people SET listed_at = ?, raw_id = ? WHERE number = ?",
                max(int(time.time()), person.listed_at + 1),
                secrets.randbelow(1 << 31) if renumbered else person.raw_id,
                number,
            )
        self._cache.pop(number, None)
