"""Stores the linked device's addresses in the session file, for a WhatsApp engine that keeps the keys elsewhere."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from actors.connection.session.session_part import SessionPart


@dataclass(frozen=True, slots=True)
class LinkedDevice:
    """Full addresses of the device; `banned_until` is the end of the last temporary ban, in seconds."""

    device: str
    lid: str | None = None
    banned_until: float | None = None


class LinkedDevices(SessionPart):
    """The linked device, where other engines have credentials: a session is of one engine."""

    def read(self) -> LinkedDevice | None:
        """The device; None where none is linked."""
        row = self._file.row("SELECT data FROM credentials")
        named = {} if row is None else json.loads(row[0])
        if not named.get("device"):
            return None
        return LinkedDevice(named["device"], named.get("lid"), named.get("banned_until"))

    @property
    def has_keys(self) -> bool:
        """Whether the keys of the device are in the session, and not beside it."""
        row = self._file.row("SELECT data FROM credentials")
        return row is not None and "noise_private" in json.loads(row[0])

    def save(self, device: LinkedDevice) -> None:
        """Replace the device."""
        self._file.write(
            "INSERT OR REPLACE INTO credentials (one, data) VALUES (1, ?)",
            (json.dumps(asdict(device)),),
        )
