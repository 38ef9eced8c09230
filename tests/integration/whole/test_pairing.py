"""A phone, or the server, that demands more of a client than its QR: what a person is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.waiting import until

if TYPE_CHECKING:
    from tests.processes.instance import Instance

PHONE = "15550100171"

pytestmark = pytest.mark.timeout(120)


@pytest.mark.parametrize(
    ("demand", "cause"),
    [("refresh", "pairing_refresh_unsupported"), ("passkey", "passkey_required")],
)
def test_a_demand_that_the_engine_cannot_meet_is_the_cause(
    instance: Instance, demand: str, cause: str
) -> None:
    simulator, path = instance.simulator, f"/phones/{PHONE}"
    name = f"asked-for-{demand}"  # its own: a name is free again some moments after its deletion
    simulator.post(path, json={"linking": demand}).raise_for_status()
    instance.api.post("/api/connections", json={"id": name}).raise_for_status()
    try:
        qr = until("a QR", lambda: instance.qr(name), 30)
        assert simulator.post(f"{path}/scan", json={"qr": qr}).status_code == 409
        until("it says why", lambda: instance.connection(name)["cause"] == cause, 10)
    finally:
        instance.api.delete(f"/api/connections/{name}").raise_for_status()
