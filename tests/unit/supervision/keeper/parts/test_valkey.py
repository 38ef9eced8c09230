"""The embedded Valkey is durable before it answers (G1), and keeps its password to itself (G10)."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

from supervision.keeper.parts import valkey

if TYPE_CHECKING:
    from pathlib import Path


def test_configuration(tmp_path: Path) -> None:
    password = valkey.password(tmp_path)
    assert valkey.password(tmp_path) == password
    assert len(password) >= 32
    command = valkey.command(tmp_path, 25_000, password, 10_000)
    file = tmp_path / "valkey" / "valkey.conf"
    assert command.arguments == (str(valkey.binary()), str(file))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    lines = file.read_text().splitlines()
    for line in (
        "bind 127.0.0.1",
        "port 25000",
        "appendonly yes",
        "appendfsync always",
        "maxmemory-policy noeviction",
        "protected-mode yes",
        f"requirepass {password}",
    ):
        assert line in lines
