"""Stores in SQLite the current and oldest accepted WhatsApp Web versions; refuses older clients, announces an end.

A client announces its version when it registers and at each login.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any, Final

from simulator.server.rules.login_failures import failure
from simulator.server.rules.properties import EVERYONE
from simulator.wire.protocol_library import SERVER, Node

if TYPE_CHECKING:
    from simulator.server.rules.properties import Properties
    from simulator.store import Store

CURRENT: Final = "2.3000.1050000000"
"""The version of November 2026; the revision grows by some 53,000 a day (whatsapp-rust, version.rs: 1026131876
of 20 August 2025; whatsmeow, clientpayload.go: 1045649367 of a year later)."""
OLDEST_VERSION: Final = "2.3000.1047000000"
"""The default of the oldest accepted version, some eight weeks below the current one."""
_VERSION: Final = re.compile(r"[0-9]{1,4}\.[0-9]{1,5}\.[0-9]{1,10}")
_REFUSED: Final = "refused_versions"


class VersionError(ValueError):
    """An invalid version or end; the text has the reason."""


class Versions:
    """The versions that the server accepts; they survive a restart."""

    def __init__(self, store: Store, properties: Properties) -> None:
        self._store = store
        self._properties = properties

    @property
    def current(self) -> str:
        """Returns the version that the server calls the current one."""
        return self._properties.get(EVERYONE, "version_current") or CURRENT

    @property
    def oldest(self) -> str:
        """The oldest accepted version; empty where all are accepted."""
        kept = self._properties.get(EVERYONE, "version_oldest")
        return OLDEST_VERSION if kept is None else kept

    @property
    def ends(self) -> float | None:
        """The end of all versions below the current one, in seconds since the epoch."""
        kept = self._properties.get(EVERYONE, "version_ends")
        return None if kept is None else float(kept)

    def change(self, changes: dict[str, Any]) -> None:
        """Sets `current`, `oldest` (None: nothing is refused) and `ends` (None: no end).

        Raises VersionError, and then changes nothing.
        """
        with self._store.transaction():
            for name, value in changes.items():
                self._properties.put(EVERYONE, f"version_{name}", _checked(name, value))

    def refusal(self, payload: Any) -> Any:
        """The `<failure>` for a client whose version is refused, else None.

        Reason 405 is whatsmeow's `ConnectFailureClientOutdated` (types/events).
        """
        version = _parsed(announced(payload))
        ended = self.ends is not None and time.time() >= self.ends
        if version >= _parsed(self.current if ended else self.oldest):
            return None
        self._store.count(EVERYONE, _REFUSED)
        return failure(405)

    def announcement(self, payload: Any) -> Any:
        """Returns the stanza with the end of a client's version; None without a known end.

        As in whatsapp-rust, handlers/ib.rs: `t` is in seconds since the epoch.
        """
        ends = self.ends
        if ends is None or _parsed(announced(payload)) >= _parsed(self.current):
            return None
        expiration = Node("client_expiration", {"t": str(int(ends))})
        return Node("ib", {"from": SERVER}, [expiration])

    def described(self) -> dict[str, Any]:
        """Answer to `GET /version`; `refused` counts the connections that were."""
        return {
            "current": self.current,
            "oldest": self.oldest or None,
            "ends": self.ends,
            "refused": self._store.counted(EVERYONE, _REFUSED),
        }


def announced(payload: Any) -> str:
    """Returns the version in a client's payload, as `primary.secondary.tertiary`."""
    version = payload.user_agent.app_version
    return f"{version.primary}.{version.secondary}.{version.tertiary}"


def _parsed(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part)


def _checked(name: str, value: Any) -> str | None:
    match name:
        case "current" | "oldest" if isinstance(value, str) and _VERSION.fullmatch(value):
            return value
        case "oldest" if value is None:
            return ""
        case "ends" if value is None:
            return None
        case "ends" if isinstance(value, int | float) and not isinstance(value, bool):
            return str(float(value))
        case "current" | "oldest" | "ends":
            raise VersionError("a version is like 2.3000.1050000000, an end in seconds")
    raise VersionError(f"unknown field {name!r}")
