"""Stores the linked device's addresses in the session file; the keys are in `whatsmeow.db`."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields

from actors.connection.session.session_part import SessionPart


@dataclass(frozen=True, slots=True)
class LinkedDevice:
    """Full addresses of the device; `banned_until` is the end of the last temporary ban, in seconds.

    `lid_migrated` says whether the account's chats are named by LID, None where that is not known; `by_number_until` (seconds
    since the epoch) until when direct messages go by phone number, since WhatsApp refused a LID and took the number.
    """

    device: str
    lid: str | None = None
    banned_until: float | None = None
    lid_migrated: bool | None = None
    by_number_until: float | None = None


class LinkedDevices(SessionPart):
    """The linked device, in the one row of its table."""

    def read(self) -> LinkedDevice | None:
        """The device; None where none is linked."""
        row = self._file.row("SELECT data FROM credentials")
        named = {} if row is None else json.loads(row[0])
        if not named.get("device"):
            return None
        names = {one.name for one in fields(LinkedDevice)}
        return LinkedDevice(**{name: value for name, value in named.items() if name in names})

    @property
    def has_keys(self) -> bool:
        """Whether the keys are in the session: the engine that is gone had them there."""
        row = self._file.row("SELECT data FROM credentials")
        return row is not None and "noise_private" in json.loads(row[0])

    def save(self, device: LinkedDevice) -> None:
        """Replace the device."""
        self._file.write(
            "INSERT OR REPLACE INTO credentials (one, data) VALUES (1, ?)",
            (json.dumps(asdict(device)),),
        )

    def forget(self) -> None:
        """No device is linked any more."""
        self._file.write("DELETE FROM credentials")
