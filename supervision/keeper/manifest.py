"""Reads and writes the manifest (instance.json): processes, ports and settings file of an instance for each start.

With it a plain `teimoso up` starts the same parts on the same ports again.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING

from actors.runtime.atomic_files import write_atomically

if TYPE_CHECKING:
    from pathlib import Path

MANIFEST_FILE = "instance.json"
CONTROL_PORT = 18_081
"""The default port of the simulator's control API."""


class UnreadableManifest(Exception):
    """The manifest cannot be read, so that no part can be started or found."""

    def __init__(self, file: Path) -> None:
        super().__init__(
            f"{file} cannot be read: put it back, or remove it and have the ports chosen anew."
        )


@dataclass(frozen=True)
class Plan:
    """The content of a manifest. `valkey`, `ray`: whether the instance runs its own; `ports`: see `parts/ports.py`."""

    port: int
    simulate: bool = False
    control_port: int = CONTROL_PORT
    valkey: bool = True
    ray: bool = True
    settings_file: str | None = None
    ports: dict[str, int] = field(default_factory=dict)

    @property
    def roles(self) -> tuple[str, ...]:
        """The parts, in the order of reports to a person."""
        optional = (("valkey", self.valkey), ("simulator", self.simulate), ("ray", self.ray))
        return (*(role for role, wanted in optional if wanted), "root", "gateway")

    def with_ports(self, ports: dict[str, int]) -> Plan:
        return replace(self, ports=ports)

    def save(self, data: Path) -> None:
        """Writes the manifest atomically."""
        write_atomically(data / MANIFEST_FILE, json.dumps(asdict(self), indent=1))

    @classmethod
    def load(cls, data: Path) -> Plan | None:
        """Reads the manifest in `data`; ``None`` before the first start. Raises `UnreadableManifest`."""
        try:
            text = (data / MANIFEST_FILE).read_text()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError) as error:
            raise UnreadableManifest(data / MANIFEST_FILE) from error
        from pydantic import TypeAdapter  # noqa: PLC0415 - heavy, and not needed to be named

        try:
            return TypeAdapter(cls).validate_json(text, strict=True)
        except ValueError as error:
            raise UnreadableManifest(data / MANIFEST_FILE) from error
