"""Defines the `Settings` model of all sections, and saves and loads `runtime.json`, which every process reads.

Sources, strongest first: command-line flags (passed as keyword arguments), environment variables
under the names of the sections, the settings file (``.env`` syntax), the defaults. `sources` resolves them
once per start, and the result is ``runtime.json`` in the data directory; every process reads that
file with `Settings.load`, so that no two processes of an instance can disagree.
"""

from __future__ import annotations

import json
import platform
from typing import TYPE_CHECKING, Final, Self

from pydantic import ConfigDict, SecretStr

from actors.config.sections.instance import InstanceSettings
from actors.config.sections.instance_backups import InstanceBackupSettings
from actors.config.sections.limits import LimitSettings
from actors.config.sections.messages import EventSettings, FileSettings, MessageSettings
from actors.config.sections.recovery import RecoverySettings
from actors.config.sections.servers import RedisAndRaySettings, StateStoreSettings
from actors.config.sections.sessions import SessionSettings
from actors.config.sections.whatsapp import WhatsAppSettings
from actors.runtime.atomic_files import write_atomically

if TYPE_CHECKING:
    from pathlib import Path

    from actors.config.sections.section import Section

RUNTIME_FILE = "runtime.json"

LIVE = frozenset(
    {"whatsapp_version", "disk_reserve", "stored_bytes_per_connection", "max_stored_bytes"}
)
"""The settings that may change while an instance runs; each use reads them afresh (`Settings.current`)."""

SECTIONS: Final[tuple[type[Section], ...]] = (
    InstanceSettings,
    LimitSettings,
    RedisAndRaySettings,
    StateStoreSettings,
    WhatsAppSettings,
    SessionSettings,
    InstanceBackupSettings,
    MessageSettings,
    EventSettings,
    FileSettings,
    RecoverySettings,
)
"""All sections, in the order of `docs/settings.md`."""


class InvalidSettings(Exception):
    """A bad value or an unknown name; the message is one sentence a line, each naming a setting."""


class Settings(
    RecoverySettings,
    LimitSettings,
    EventSettings,
    MessageSettings,
    InstanceBackupSettings,
    SessionSettings,
    WhatsAppSettings,
    StateStoreSettings,
    RedisAndRaySettings,
    InstanceSettings,
):
    """The settings of one instance. Intervals are milliseconds; `docs/settings.md` explains each."""

    model_config = ConfigDict(
        extra="forbid", validate_by_name=True, validate_by_alias=True, frozen=True
    )

    @classmethod
    def load(cls, data: Path) -> Self:
        """The settings that the keeper of the instance in `data` resolved.

        A directory that was moved or copied is its own: its content is not sought at the old place.
        """
        values = json.loads((data / RUNTIME_FILE).read_text())
        for former in ("engine", "whatsapp_signed_prekey_age"):  # a build with two engines wrote it
            values.pop(former, None)
        settings = cls.model_validate(values)
        return settings.model_copy(update={"data": data.expanduser().absolute()})

    def current(self) -> Self:
        """The settings as the data directory has them now; these where it has none that can be read.

        For what may be changed while the instance runs (`LIVE`); all else stays as it was.
        """
        try:
            now = type(self).load(self.data)
        except (OSError, ValueError):
            return self
        return self.model_copy(update={name: getattr(now, name) for name in LIVE})

    def save(self) -> None:
        """Write `runtime.json` (mode 0600: it holds secrets) atomically."""
        values = self.model_dump(mode="json")
        for name, value in self:
            if isinstance(value, SecretStr):
                values[name] = value.get_secret_value()
        del values["teimoso_api_key"]  # needed once, at the first start, and kept hashed
        write_atomically(self.data / RUNTIME_FILE, json.dumps(values, indent=1))

    @property
    def sessions(self) -> Path:
        """The directory of the session files, with one directory per connection."""
        return self.data / "sessions"

    @property
    def state_file(self) -> Path:
        """The state store where it is SQLite."""
        return self.data / "state.db"

    @property
    def state_store(self) -> str:
        """The state store as a person may know it."""
        if not self.on_firestore:
            return str(self.state_file)
        where = self.firestore_emulator_host or "Firestore"
        return f"{where}, project {self.firestore_project}, database {self.firestore_database}"

    @property
    def media(self) -> Path:
        """The directory of the messages' files on this host."""
        return self.data / "media"

    @property
    def media_ledger(self) -> Path:
        """The ledger of these files: hosts may share the directory, but no SQLite file."""
        name = f"media-{platform.node()}" if self.several_hosts else "media"
        return self.data / f"{name}.db"


def written_at(data: Path) -> float:
    """The time at which the settings of the instance in `data` were last written, in seconds since the epoch."""
    try:
        return (data / RUNTIME_FILE).stat().st_mtime
    except OSError:
        return 0.0
