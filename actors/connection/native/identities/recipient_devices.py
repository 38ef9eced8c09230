"""Merges the given device lists of recipient and account into a direct message's recipients; hashes them (pure)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from actors.connection.protocol.identities.addresses import participant_hash

if TYPE_CHECKING:
    from actors.connection.native.identities.devices import Installed
    from actors.connection.protocol.identities.addresses import Address


@dataclass(frozen=True, slots=True)
class Everyone:
    """Addresses of `devices` to encrypt for, the sending one (`own`) among them, and hosted ones."""

    devices: tuple[Address, ...]
    hosted: tuple[Address, ...]
    own: Address

    @property
    def hash(self) -> str:
        """WhatsApp's hash of all of them."""
        return participant_hash(self.devices, self.hosted)

    @property
    def hashes(self) -> frozenset[str]:
        """Hashes that WhatsApp may answer where its list has these devices.

        whatsmeow counts the sending device, whatsapp-rust does not; hosted devices count for
        clients that encrypt for them.
        """
        others = tuple(one for one in self.devices if one != self.own)
        return frozenset(
            participant_hash(devices, hosted)
            for devices in (self.devices, others)
            for hosted in (self.hosted, ())
        )

    def without(self, reached: Everyone) -> Everyone:
        """These devices but for those that were reached already."""
        missed = tuple(one for one in self.devices if one not in reached.devices)
        return Everyone(missed, self.hosted, self.own)


def everyone(person: Address, theirs: Installed, device: Address, own: Installed) -> Everyone:
    """All devices of a person and of the account, whose own is `device`, in the order of the lists."""
    account = device.canonical
    listed = [person.with_device(number) for number in theirs.numbers]
    listed += [account.with_device(number) for number in own.numbers]
    hosted = [person.with_device(number) for number in theirs.hosted]
    hosted += [account.with_device(number) for number in own.hosted]
    return Everyone(tuple(dict.fromkeys((*listed, device))), tuple(dict.fromkeys(hosted)), device)
