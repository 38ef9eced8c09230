"""Versions: refusals, announced ends, and the page with the current one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest

from simulator.server.rules.properties import Properties
from simulator.server.rules.versions import VersionError, Versions
from simulator.store import Store
from simulator.wire.protocol_library import ClientPayload
from tests.plain_http import NO_AUTHORITIES
from tests.unit.simulator.device import announce

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.simulator.device import Device

OLD, NEW = "2.3000.1040000000", "2.3000.1050000000"
PAST, FUTURE = 1.0, 4_000_000_000.0
BROWSER = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64)", "Sec-Fetch-Site": "none"}


def payload(version: str) -> Any:
    made = ClientPayload()
    announce(made, version)
    return made


@pytest.mark.parametrize(
    ("changes", "refused", "told"),
    [
        ({}, False, False),
        ({"oldest": OLD}, False, False),
        ({"oldest": NEW}, True, False),
        ({"oldest": "2.3000.999999999"}, False, False),  # numbers, not words
        ({"oldest": NEW, "current": NEW}, True, False),
        ({"current": NEW, "ends": FUTURE}, False, True),
        ({"current": NEW, "ends": PAST}, True, True),
        ({"current": OLD, "ends": PAST}, False, False),
    ],
)
def test_which_versions_are_refused_and_which_end(
    tmp_path: Path, changes: dict[str, Any], refused: bool, told: bool
) -> None:
    store = Store(tmp_path / "simulator.db")
    Versions(store, Properties(store)).change({"oldest": None, **changes})
    store.close()
    store = Store(tmp_path / "simulator.db")
    versions = Versions(store, Properties(store))
    failure, announcement = (
        versions.refusal(payload(OLD)),
        versions.announcement(payload(OLD)),
    )
    assert (failure is not None, announcement is not None) == (refused, told)
    if failure is not None:
        assert (failure.tag, failure.attrs["reason"]) == ("failure", "405")
    if announcement is not None:
        assert announcement.get_child("client_expiration").attrs == {"t": str(int(changes["ends"]))}
    assert versions.described()["refused"] == int(refused)
    store.close()


@pytest.mark.parametrize(
    "changes", [{"current": None}, {"oldest": "x"}, {"ends": "soon"}, {"ends": True}, {"smell": 1}]
)
def test_a_change_that_makes_no_sense_changes_nothing(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    store = Store(tmp_path / "simulator.db")
    versions = Versions(store, Properties(store))
    before = versions.described()
    with pytest.raises(VersionError):
        versions.change({"current": OLD, **changes} if "current" not in changes else changes)
    assert versions.described() == before
    store.close()


async def page(
    device: Device, path: str, seconds: float = 5.0, headers: dict[str, str] | None = None
) -> httpx.Response:
    base = device.ws_url.replace("ws://", "http://").removesuffix("/ws/chat")
    async with httpx.AsyncClient(verify=NO_AUTHORITIES, timeout=seconds) as http:
        return await http.get(base + path, headers=headers or BROWSER)
