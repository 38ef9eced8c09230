"""Lists, links and unlinks a person's devices, played here or real clients; computes key index list and `phash`."""

from __future__ import annotations

import base64
import hashlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from simulator.contacts.signal_endpoints import PHONE
from simulator.phones import adv
from simulator.wire.protocol_library import HOSTED_DEVICE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from simulator.contacts.people import People
    from simulator.contacts.signal_endpoints import SignalEndpoints
    from simulator.server.companions import Companions


class NoDeviceError(Exception):
    """The person has no such device."""


class HostedDeviceError(Exception):
    """The person has a hosted device already."""


@dataclass(frozen=True)
class SignedList:
    """The phone's signature over the key indexes that are valid, and since when (seconds)."""

    at: int
    signed: bytes


def participant_hash(addresses: Iterable[Any]) -> str:
    """The `phash` of devices, by their JIDs (whatsmeow `send.go` participantListHashV2)."""
    names = sorted(f"{one.user}.0:{one.device}@{one.server}" for one in addresses)
    digest = hashlib.sha256("".join(names).encode()).digest()[:6]
    return f"2:{base64.b64encode(digest).decode().rstrip('=')}"


class Devices:
    """Every person's devices, wherever they are."""

    def __init__(self, people: People, endpoints: SignalEndpoints, companions: Companions) -> None:
        self._people = people
        self._endpoints = endpoints
        self._companions = companions
        self._lists: dict[str, tuple[object, SignedList]] = {}

    def of(self, number: str) -> dict[int, int]:
        """Returns the key index of each device, by the device's id; the phone is 0 and first."""
        linked = {one.device: one.key_index for one in self._companions.of(number)}
        linked |= {one.device: one.key_index for one in self._endpoints.of(number).values()}
        return dict(sorted(linked.items()))

    def add(self, number: str, *, hosted: bool = False) -> int:
        """Links one more device that the simulator plays; its id. Raises HostedDeviceError.

        A person has at most one hosted device.
        """
        if hosted and self._endpoints.get(number, HOSTED_DEVICE) is not None:
            raise HostedDeviceError
        index = self._people.next_device(number)
        device = HOSTED_DEVICE if hosted else index
        raw_id = self._people.named(number).raw_id
        self._endpoints.link(number, device, raw_id=raw_id, key_index=index, now=time.time())
        self._people.relisted(number)
        return device

    def remove(self, number: str, device: int) -> None:
        """Unlinks a simulated device. Raises NoDeviceError for another one, or the phone."""
        if device == PHONE or self._endpoints.get(number, device) is None:
            raise NoDeviceError
        self._endpoints.remove(number, device)
        self._people.relisted(number)

    def hash(self, number: str, server: str) -> str:
        """The hash of the person's devices, addressed by phone number or by LID."""
        person = self._people.named(number)
        return participant_hash(person.address(server, device) for device in self.of(number))

    def signed_list(self, number: str) -> SignedList:
        """Returns the device list that the phone signed last: a client drops devices whose index is not in it.

        Its `current_index` is the highest index ever given, its `valid_indexes` those that still
        hold, 0 being the phone's.
        """
        person, listed = self._people.named(number), self.of(number)
        identity = self._endpoints.phone(number).identity
        basis = (identity.public, person.raw_id, person.listed_at, tuple(listed.values()))
        if number not in self._lists or self._lists[number][0] != basis:
            signed = adv.key_index_list(
                identity,
                raw_id=person.raw_id,
                key_indexes=[index for device, index in listed.items() if device != PHONE],
                current=max(person.last_device, *listed.values()),
                now=person.listed_at,
            )
            self._lists[number] = (basis, SignedList(person.listed_at, signed))
        return self._lists[number][1]
