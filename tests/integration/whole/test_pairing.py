"""A phone, or the server, that demands more of a client than its QR."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from actors.connection.whatsmeow.program import executable
from tests.waiting import until

if TYPE_CHECKING:
    from tests.processes.instance import Instance

PHONE = "15550100171"

pytestmark = pytest.mark.timeout(120)


@pytest.mark.skipif(
    executable.find() is None, reason=f"{executable.NAME} is not built: `make whatsmeow` does it"
)
def test_the_passkey_links_a_device_of_whatsmeow(instance: Instance) -> None:
    """The challenge goes from the program to the API, and the assertion back; a browser parses the options."""
    simulator, path, name = instance.simulator, f"/phones/{PHONE}", "linked-by-passkey"
    connection = f"/api/connections/{name}"
    simulator.post(path, json={"linking": "passkey"}).raise_for_status()
    created = instance.api.post("/api/connections", json={"id": name, "engine": "whatsmeow"})
    created.raise_for_status()
    try:
        qr = until("a QR", lambda: instance.qr(name), 60)
        scanned = simulator.post(f"{path}/scan", json={"qr": qr})
        assert scanned.json()["code"] == "passkey_required"
        until("a challenge", lambda: instance.connection(name)["pairing_step"] == "passkey", 20)
        shown = instance.api.get(f"{connection}/passkey").json()
        assert shown["step"] == "assertion"
        assert "null" not in json.dumps(shown["options"])
        challenge = {"challenge": shown["options"]["challenge"]}
        signed = simulator.post(f"{path}/passkey", json=challenge).raise_for_status().json()
        instance.api.post(f"{connection}/passkey", json=signed).raise_for_status()
        until("it is linked", lambda: instance.connection(name)["state"] == "open", 30)
        assert instance.connection(name)["pairing_step"] is None
    finally:
        instance.api.delete(connection).raise_for_status()
