"""The states of parts, as `teimoso up` reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from supervision.keeper import status_file
from supervision.keeper.status_file import StatusFile

if TYPE_CHECKING:
    from pathlib import Path


def test_why_a_part_fell_is_known_until_it_is_ready(tmp_path: Path) -> None:
    assert status_file.read(tmp_path) == []
    notes = StatusFile(tmp_path, ("valkey", "gateway"))
    assert [note.state for note in status_file.read(tmp_path)] == ["waiting", "waiting"]
    notes.put("gateway", "fallen", "port in use", falls=1, streak=1)
    notes.put("gateway", "starting", falls=1, streak=1)
    [_, gateway] = status_file.read(tmp_path)
    assert (gateway.state, gateway.reason) == ("starting", "port in use")
    notes.put("gateway", "ready", falls=1, streak=1)
    [_, gateway] = status_file.read(tmp_path)
    assert (gateway.state, gateway.reason) == ("ready", None)
