"""A phone, or the server, that demands more of a client than its QR: what a person is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.waiting import until

if TYPE_CHECKING:
    from tests.processes.instance import Instance

PHONE, NAME = "15550100171", "demanding"

pytestmark = pytest.mark.timeout(120)


@pytest.mark.parametrize(
    ("demand", "cause"),
    [("refresh", "pairing_refresh_unsupported"), ("passkey", "passkey_required")],
)
def test_a_demand_that_the_engine_cannot_meet_is_the_cause(
    instance: Instance, demand: str, cause: str
) -> None:
    simulator, path = instance.simulator, f"/phones/{PHONE}"
    simulator.post(path, json={"linking": demand}).raise_for_status()
    instance.api.post("/api/connections", json={"id": NAME}).raise_for_status()
    try:
        qr = until("a QR", lambda: instance.qr(NAME), 30)
        assert simulator.post(f"{path}/scan", json={"qr": qr}).status_code == 409
        until("it says why", lambda: instance.connection(NAME)["cause"] == cause, 10)
    finally:
        instance.api.delete(f"/api/connections/{NAME}").raise_for_status()
