"""Stores prekeys, identity keys and Signal sessions as rows of the session file."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from actors.connection.session.identities.credentials import SignedPrekey
from actors.connection.session.session_part import SessionPart

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_ARCHIVED = 40
"""Archived sessions per address, as libsignal keeps them."""

SIGNED_PREKEY_SECONDS = 90 * 86_400.0
"""Seconds for which a replaced signed prekey still serves peers who fetched it."""

MAX_GIVEN = 10_000
"""Number of prekeys of retry receipts that are kept: not every sender comes back with the one it got.

After an old copy was restored all that waits may be asked for at once. With fewer than that, each
request would take the key of one before, and none could be answered.
"""

MAX_PREKEY_ID = 0xFF_FFFF
"""Ids are three bytes on the wire."""

# The holder of a prekey: nobody yet, WhatsApp's server, or the one device that it was made for.
_HELD, _UPLOADED, _GIVEN = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Prekey:
    """A one-time prekey; keys are 32 bytes."""

    id: int
    private: bytes = field(repr=False)
    public: bytes


@dataclass(frozen=True, slots=True)
class StoredRatchet:
    """One Signal session with one address; `state` is opaque here.

    `spent`: its keys may have been used from another copy of the file, so nothing is sent on it.
    `kept` is the number of its skipped keys.
    """

    id: int
    current: bool
    base_key: bytes
    identity: bytes
    state: str = field(repr=False)
    spent: bool = False
    kept: int = 0


class SignalKeys(SessionPart):
    """Prekeys, identity keys and Signal sessions with other devices, as rows of the session file."""

    def forget_all(self) -> None:
        """Drop prekeys, identity keys and Signal sessions. Prekey ids go on rising."""
        for table in ("prekeys", "signed_prekeys", "identities", "ratchets"):
            self._file.write(f"DELETE FROM {table}")  # noqa: S608 - names of ours

    # prekeys

    def add_signed_prekey(self, key: SignedPrekey) -> None:
        """Have the key serve from now on, beside earlier ones; a repeat changes nothing."""
        self._file.write(
            "INSERT INTO signed_prekeys (id, private, public, signature, created)"
            " VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET private = excluded.private,"
            " public = excluded.public, signature = excluded.signature, created = excluded.created, spent = 0"
            " WHERE private <> excluded.private",
            (key.id, key.private, key.public, key.signature, self._file.clock()),
        )

    def add_prekeys(self, pairs: Sequence[tuple[bytes, bytes]], *, published: bool) -> list[Prekey]:
        """Store (private, public) pairs under ids that were never used before.

        `published` ones are given to one device each, in a retry receipt. Of those the newest
        `MAX_GIVEN` are kept: a message for one that is gone is asked for again, with another.
        """
        row = self._file.row("SELECT next_prekey_id FROM file")
        assert row is not None
        first = int(row[0])
        if first + len(pairs) > MAX_PREKEY_ID + 1:
            raise OverflowError("prekey ids are used up")
        self._file.write("UPDATE file SET next_prekey_id = ?", (first + len(pairs),))
        made = [Prekey(first + n, *pair) for n, pair in enumerate(pairs)]
        for key in made:
            self._file.write(
                "INSERT INTO prekeys (id, private, public, published) VALUES (?, ?, ?, ?)",
                (key.id, key.private, key.public, _GIVEN if published else _HELD),
            )
        if published:
            self._file.write(
                "DELETE FROM prekeys WHERE id IN (SELECT id FROM prekeys WHERE published = ?"
                " ORDER BY id DESC LIMIT -1 OFFSET ?)",
                (_GIVEN, MAX_GIVEN),
            )
        return made

    def skip_prekeys(self, count: int) -> None:
        """Leave out the next `count` ids, as far as there are any to spare; upload no old prekey.

        Prekeys that are there serve the devices that have them.
        """
        last = MAX_PREKEY_ID - count
        self._file.write(
            "UPDATE file SET next_prekey_id = max(next_prekey_id, min(next_prekey_id + ?, ?))",
            (count, last),
        )
        self._file.write("UPDATE prekeys SET published = ? WHERE published = ?", (_UPLOADED, _HELD))

    def prekey(self, prekey_id: int) -> Prekey | None:
        """A one-time prekey; None for one that was used."""
        row = self._file.row("SELECT id, private, public FROM prekeys WHERE id = ?", (prekey_id,))
        return None if row is None else Prekey(*row)

    def unpublished_prekeys(self, limit: int) -> list[Prekey]:
        """Prekeys that WhatsApp was not seen to accept, oldest first."""
        return [
            Prekey(*row)
            for row in self._file.rows(
                "SELECT id, private, public FROM prekeys WHERE published = ? ORDER BY id LIMIT ?",
                (_HELD, limit),
            )
        ]

    def mark_published(self, prekey_ids: Sequence[int]) -> None:
        """Note that WhatsApp has the prekeys."""
        for prekey_id in prekey_ids:
            self._file.write(
                "UPDATE prekeys SET published = ? WHERE id = ?", (_UPLOADED, prekey_id)
            )

    def delete_prekey(self, prekey_id: int) -> None:
        """Delete a one-time prekey, in the transaction of the message that used it."""
        self._file.write("DELETE FROM prekeys WHERE id = ?", (prekey_id,))

    def signed_prekey(self, prekey_id: int) -> SignedPrekey | None:
        """A signed prekey that still serves, current or replaced."""
        row = self._file.row(
            "SELECT id, private, public, signature FROM signed_prekeys WHERE id = ?", (prekey_id,)
        )
        return None if row is None else SignedPrekey(*row)

    def signed_prekey_spent(self, prekey_id: int) -> bool:
        """Whether another copy of the file may have read the first messages for the signed prekey."""
        row = self._file.row("SELECT spent FROM signed_prekeys WHERE id = ?", (prekey_id,))
        return row is not None and bool(row[0])

    def signed_prekey_created(self, prekey_id: int) -> float | None:
        """The time at which the signed prekey was made, in seconds; None where there is none under the id."""
        row = self._file.row("SELECT created FROM signed_prekeys WHERE id = ?", (prekey_id,))
        return None if row is None else float(row[0])

    def prune(self, now: float) -> None:
        """Drop signed prekeys that a newer one replaced 90 days ago."""
        self._file.write(
            "DELETE FROM signed_prekeys WHERE EXISTS (SELECT 1 FROM signed_prekeys AS newer"
            " WHERE newer.id > signed_prekeys.id AND newer.created < ?)",
            (now - SIGNED_PREKEY_SECONDS,),
        )

    # identities

    def identity(self, address: str) -> bytes | None:
        """The peer's identity key as last seen (32 bytes)."""
        row = self._file.row("SELECT identity FROM identities WHERE address = ?", (address,))
        return None if row is None else bytes(row[0])

    def save_identity(self, address: str, identity: bytes) -> bool:
        """Note the peer's identity key; True where it replaced another one."""
        stored = self.identity(address)
        if stored != identity:
            self._file.write(
                "INSERT OR REPLACE INTO identities (address, identity) VALUES (?, ?)",
                (address, identity),
            )
        return stored is not None and stored != identity

    # Signal sessions

    def ratchets(self, address: str, limit: int = -1) -> list[StoredRatchet]:
        """The sessions with an address, the current one first, then the latest archived one."""
        return self._ratchets(
            "address = ? ORDER BY current DESC, rank DESC LIMIT ?", address, limit
        )

    def ratchets_knowing(
        self, address: str, ratchet_key: bytes, counter: int
    ) -> list[StoredRatchet]:
        """Those whose newest chain is of this ratchet key, or which have a skipped key for the message."""
        return self._ratchets(
            "address = ?1 AND (peer_key = ?2 OR kept > 0 AND EXISTS (SELECT 1 FROM skipped_keys"
            " WHERE ratchet = ratchets.id AND ratchet_key = ?2 AND counter = ?3))"
            " ORDER BY current DESC, rank DESC",
            address,
            ratchet_key,
            counter,
        )

    def current_ratchet(self, address: str) -> StoredRatchet | None:
        """The session under which messages to the device are encrypted; None for none."""
        return next(iter(self._ratchets("address = ? AND current = 1", address)), None)

    def has_current_ratchet(self, address: str) -> bool:
        """Whether `current_ratchet` returns one; its state is not read."""
        row = self._file.row("SELECT 1 FROM ratchets WHERE address = ? AND current = 1", (address,))
        return row is not None

    def ratchet_of(self, address: str, base_key: bytes, identity: bytes) -> StoredRatchet | None:
        """The session that this first message set up."""
        found = self._ratchets(
            "address = ? AND base_key = ? AND identity = ?", address, base_key, identity
        )
        return next(iter(found), None)

    def ratchet(self, address: str, ratchet_id: int) -> StoredRatchet | None:
        """The session of this id, as long as it is one with the address."""
        found = self._ratchets("id = ? AND address = ?", ratchet_id, address)
        return next(iter(found), None)

    def _ratchets(self, where: str, *parameters: str | bytes | int) -> list[StoredRatchet]:
        rows = self._file.rows(
            "SELECT id, current, base_key, identity, state, spent, kept FROM ratchets WHERE "  # noqa: S608
            + where,
            parameters,
        )
        return [
            StoredRatchet(row[0], bool(row[1]), row[2], row[3], row[4], bool(row[5]), row[6])
            for row in rows
        ]

    def add_ratchet(
        self,
        address: str,
        base_key: bytes,
        identity: bytes,
        state: str,
        peer_key: bytes,
        *,
        spent: bool = False,
    ) -> int:
        """Make a new session the current one; the one before is archived, the oldest dropped.

        One that is `spent` joins the archived ones. `peer_key` is the peer's newest ratchet key. Returns the
        session's id.
        """
        if not spent:
            self.archive_ratchet(address)
        made = self._file.insert(
            "INSERT INTO ratchets (address, current, spent, rank, base_key, identity, state, peer_key)"
            " VALUES (?1, ?2, ?3, (SELECT coalesce(max(rank), 0) + 1 FROM ratchets WHERE address = ?1),"
            " ?4, ?5, ?6, ?7)",
            (address, not spent, spent, base_key, identity, state, peer_key),
        )
        self._trim(address)
        return made

    def save_ratchet(self, ratchet_id: int, state: str, peer_key: bytes, kept: int) -> None:
        """Store the state of a session after a step; `kept` is the number of its skipped keys."""
        self._file.write(
            "UPDATE ratchets SET state = ?, peer_key = ?, kept = ? WHERE id = ?",
            (state, peer_key, kept, ratchet_id),
        )

    def promote_ratchet(self, address: str, ratchet_id: int) -> None:
        """Make an archived session the current one."""
        self.archive_ratchet(address)
        self._file.write("UPDATE ratchets SET current = 1 WHERE id = ?", (ratchet_id,))

    def archive_ratchet(self, address: str) -> None:
        """Archive the current session, if any: it still decrypts, and nothing is sent on it."""
        self._file.write(
            "UPDATE ratchets SET current = 0, rank ="
            " (SELECT coalesce(max(rank), 0) + 1 FROM ratchets WHERE address = ?1)"
            " WHERE address = ?1 AND current = 1",
            (address,),
        )

    def spend_ratchets(self) -> None:
        """Archive every session for good: it still decrypts, and never becomes current again.

        The same holds for sessions that first messages for today's signed prekeys still set up.
        """
        self._file.write(
            "UPDATE ratchets SET rank = (SELECT max(rank) + 1 FROM ratchets AS other"
            " WHERE other.address = ratchets.address) WHERE current = 1"
        )
        self._file.write("UPDATE ratchets SET current = 0, spent = 1")
        self._file.write("UPDATE signed_prekeys SET spent = 1")

    def archive_user(self, user: str) -> None:
        """Archive the current session with each device of a user, and forget their identity keys.

        Without the key none of those sessions becomes current again.
        """
        for address in self._addresses_of(user):
            self.archive_ratchet(address)
            self._file.write("DELETE FROM identities WHERE address = ?", (address,))

    def _addresses_of(self, user: str) -> list[str]:
        """The devices of a canonical address that there are sessions with, or identity keys of."""
        name, server = user.split("@")
        rows = self._file.rows(
            "SELECT address FROM ratchets WHERE address = ?1 OR address GLOB ?2"
            " UNION SELECT address FROM identities WHERE address = ?1 OR address GLOB ?2",
            (user, f"{name}:*@{server}"),
        )
        return [str(address) for (address,) in rows]

    def _trim(self, address: str) -> None:
        self._file.write(
            "DELETE FROM ratchets WHERE id IN (SELECT id FROM ratchets WHERE address = ?"
            " AND current = 0 ORDER BY rank DESC LIMIT -1 OFFSET ?)",
            (address, MAX_ARCHIVED),
        )

    def move_ratchets(self, old: str, new: str) -> None:
        """The sessions of each device of the user `old` become those of `new`'s device.

        Where that has a current session already, they join its archived ones.
        """
        user, server = old.split("@")
        name, new_server = new.split("@")
        for address in self._addresses_of(old):
            device = address.removeprefix(user).removesuffix(f"@{server}")
            target = f"{name}{device}@{new_server}"
            if self.current_ratchet(target) is not None:
                self.archive_ratchet(address)
            # A base key that both addresses know is one session seen twice: the target's serves.
            for table in ("identities", "ratchets"):
                self._file.write(
                    f"UPDATE OR IGNORE {table} SET address = ? WHERE address = ?",  # noqa: S608
                    (target, address),
                )
                self._file.write(f"DELETE FROM {table} WHERE address = ?", (address,))  # noqa: S608
            self._trim(target)
