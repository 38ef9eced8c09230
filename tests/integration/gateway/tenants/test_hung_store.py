"""A store that hangs: the reads of a tenant wait for each other, and the last of them not for all (G13)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.integration.gateway.served import Gateway
from tests.integration.gateway.tenants.raw_requests import answered, begun, request, statuses
from tests.processes.firestore import Firestore
from tests.waits import until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.processes.valkey import Valkey

MANY = 60
"""Lists of which two at once have their turn."""


def test_lists(valkey: Valkey, tmp_path: Path) -> None:
    """Those whose turn does not come are refused before the store has let down all that came earlier."""
    with (
        Firestore(tmp_path / "firestore") as store,
        Gateway(tmp_path / "gateway", valkey, firestore_emulator_host=store.host) as gateway,
    ):
        gateway.connect()
        list_ = request(gateway.api, "GET", "/api/messages?connection=shop", b"")
        store.strike("frozen")
        with begun(gateway, list_, MANY) as held:
            until("all are answered", lambda: len(answered(held)) == MANY, 90)
            assert set(statuses(held)) == {503}
            answers = [each.recv(65_536) for each in held]
        assert all(b"retry-after: " in each.lower() for each in answers)
        assert all(b'"store_away"' in each for each in answers)
        assert len([each for each in answers if b"Earlier requests" in each]) > MANY / 2
        store.heal()
        assert gateway.api.get("/api/messages?connection=shop").status_code == 200
