"""Migrates an account to LIDs: marks the account in SQLite, has the phone send companions the LIDs of given contacts."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from simulator.wire.proto_schema import LIDMigrationMappingSyncPayload, Message

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simulator.contacts.contact_behaviour import ContactBehaviour
    from simulator.contacts.people import People
    from simulator.server.companions import Companions
    from simulator.server.rules.lid_migrations import Migrations

_MAPPING_SYNC: Final = 22


class MigrationSync:
    """Migrates accounts. Every method runs inside its caller's transaction."""

    def __init__(
        self,
        people: People,
        companions: Companions,
        migrations: Migrations,
        contact_behaviour: ContactBehaviour,
    ) -> None:
        self._people = people
        self._companions = companions
        self._migrations = migrations
        self._contact_behaviour = contact_behaviour

    def migrate(self, number: str, contacts: Sequence[str]) -> list[str]:
        """Migrates the account and sends each companion the LIDs of `contacts`; returns the ids of the messages.

        whatsmeow, message.go `storeLIDSyncMessage`; whatsapp-rust, src/client/lid_pn.rs
        `handle_lid_migration_mapping_sync`. Raises UnknownNumberError.
        """
        payload = LIDMigrationMappingSyncPayload(chat_db_migration_timestamp=int(time.time()))
        for contact in contacts:
            person = self._people.named(contact.lstrip("+"))
            payload.pn_to_lid_mappings.add(pn=int(person.number), assigned_lid=int(person.lid))
        message = Message()
        part = message.protocol_message
        part.type = _MAPPING_SYNC
        part.lid_migration_mapping_sync_message.encoded_mapping_payload = (
            payload.SerializeToString()
        )
        self._migrations.change(number, done=True)
        return [
            self._contact_behaviour.to_companion(one, message)
            for one in self._companions.of(number)
        ]
