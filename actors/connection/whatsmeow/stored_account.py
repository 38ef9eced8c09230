"""Stores in the session file the account that the whatsmeow program's device belongs to, and the end of a ban."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from actors.connection.protocol.identities.addresses import Address, parse_optional
from actors.connection.protocol.identities.lid_mapping import LidMapping
from actors.connection.protocol.session_transactions import SessionRefusal
from actors.connection.session.identities.linked_device import LinkedDevice

if TYPE_CHECKING:
    from collections.abc import Mapping

    from actors.connection.session.session import Session


class StoredAccount:
    """Follows what the program says of its device: that has the keys, and is believed."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.people: LidMapping | None = None
        self._set_people(session.linked_device.read())

    @property
    def account(self) -> str | None:
        """The canonical address of the account; None where no device is linked."""
        return None if self.people is None else str(self.people.account)

    @property
    def banned_until(self) -> float | None:
        """The end of the last temporary ban, in seconds since the epoch."""
        device = self._session.linked_device.read()
        return None if device is None else device.banned_until

    async def learn(self, report: Mapping[str, Any]) -> None:
        """Keep whose device it is, by the program's words. Raises what the session refuses with."""
        jid, lid = report.get("jid"), report.get("lid")
        stored = self._session.linked_device.read()
        if not jid:
            if stored is not None:
                await self.forget()
            return
        before = stored or LinkedDevice(str(jid))
        told = report.get("migrated")
        migrated = before.lid_migrated if told is None else bool(told)
        device = replace(
            before, device=str(jid), lid=str(lid) if lid else None, lid_migrated=migrated
        )
        if device != stored:
            async with self._session.transaction():
                self._session.linked_device.save(device)
                self._session.account_link.note()
            self._set_people(device)

    async def forget(self) -> None:
        """The device is not linked any more."""
        with suppress(*SessionRefusal):
            async with self._session.transaction():
                self._session.forget_account()
        self._set_people(None)

    async def note_ban(self, until: float | None) -> None:
        """Keep until when the account is banned."""
        device = self._session.linked_device.read()
        if device is not None:
            with suppress(*SessionRefusal):
                async with self._session.transaction():
                    self._session.linked_device.save(replace(device, banned_until=until))

    def _set_people(self, device: LinkedDevice | None) -> None:
        if device is None:
            self.people = None
        else:
            lid = parse_optional(device.lid)
            self.people = LidMapping(self._session, Address.parse(device.device), lid)
