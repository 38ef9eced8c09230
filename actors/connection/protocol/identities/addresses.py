"""Parses, formats and compares WhatsApp's addresses (JIDs), and hashes lists of devices.

``15550100002:3@s.whatsapp.net`` is device 3 of a person; without a device part the text names
device 0, the phone, or the person as a whole. ``…@lid`` is the same person under a number that
hides the phone number. A canonical address has no device part.
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

PHONE_NUMBER = "s.whatsapp.net"
LID = "lid"
Kind = Literal["lid", "number"]
"""Of a person's addresses."""

GROUP = "g.us"
SERVER = "@s.whatsapp.net"

# Devices of a business that Meta hosts carry servers of their own for the same two namespaces.
_HOSTED = {PHONE_NUMBER: "hosted", LID: "hosted.lid"}
_ALIASES = {"c.us": PHONE_NUMBER, **{hosted: plain for plain, hosted in _HOSTED.items()}}
_ADDRESS = re.compile(r"([^@:._/]*)(?:[._]\d+)?(?::(\d{1,5}))?@([a-z][a-z.]*)", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class Address:
    """One device of one user; device 0 also stands for the user."""

    user: str
    server: str
    device: int = 0

    @staticmethod
    def parse(text: str) -> Address:
        """The address that `text` names. Raises `ValueError` where it names none."""
        return _parse(text)

    def __str__(self) -> str:
        device = f":{self.device}" if self.device else ""
        return f"{self.user}{device}@{self.server}"

    @property
    def canonical(self) -> Address:
        """The same user without a device."""
        return self if self.device == 0 else Address(self.user, self.server)

    @property
    def is_person(self) -> bool:
        """A person, under a phone number or a LID."""
        return bool(self.user) and self.server in (PHONE_NUMBER, LID)

    def of(self, user: Address) -> Address:
        """The same device number under another address of its person."""
        return user.with_device(self.device)

    def with_device(self, number: int) -> Address:
        """The device of this number of the same user."""
        return Address(self.user, self.server, number)


@lru_cache(1024)
def _parse(text: str) -> Address:
    found = _ADDRESS.fullmatch(text)
    if found is None:
        raise ValueError("not an address")
    user, device, server = found.groups()
    return Address(user, _ALIASES.get(server, server), int(device or 0))


def parse_optional(text: str | None) -> Address | None:
    """The address, or None where the text is missing or names none."""
    if not text:
        return None
    try:
        return Address.parse(text)
    except ValueError:
        return None


def participant_hash(devices: Iterable[Address], hosted: Iterable[Address] = ()) -> str:
    """WhatsApp's hash (version 2) of the devices a message is encrypted for, the sender's included.

    `hosted` ones have servers of their own in it.
    """
    names = [f"{one.user}.0:{one.device}@{one.server}" for one in devices]
    names += [f"{one.user}.0:{one.device}@{_HOSTED[one.server]}" for one in hosted]
    digest = hashlib.sha256("".join(sorted(names)).encode()).digest()
    return "2:" + base64.b64encode(digest[:6]).decode().rstrip("=")
