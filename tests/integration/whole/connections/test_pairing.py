"""A phone, or the server, that demands more of a client than its QR."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import pytest

from tests import traced
from tests.waits import until

if TYPE_CHECKING:
    from tests.processes.instance import Instance

PHONE = "15550100171"

pytestmark = pytest.mark.timeout(120)


def test_the_passkey_links_a_device_of_whatsmeow(instance: Instance) -> None:
    """The challenge goes from the program to the API, and the assertion back; a browser parses the options.

    A trace has the stanzas of both, and nothing of the QR, the challenge, the assertion and the keys.
    """
    simulator, path, name = instance.simulator, f"/phones/{PHONE}", "linked-by-passkey"
    connection = f"/api/connections/{name}"
    simulator.post(path, json={"linking": "passkey"}).raise_for_status()
    created = instance.api.post("/api/connections", json={"id": name})
    created.raise_for_status()
    try:
        qr = until("a QR", lambda: instance.qr(name), 60)
        instance.api.post(f"{connection}/trace").raise_for_status()
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
        recorded = instance.api.delete(f"{connection}/trace").raise_for_status().json()
        trace = instance.data / recorded["file"]
        ref, *shown_keys = qr.split(",")[:4]
        assertion = [signed["id"], *filter(None, signed["response"].values())]
        words = {*shown_keys, challenge["challenge"], *assertion}
        keys = {base64.urlsafe_b64decode(f"{word}==") for word in words}
        secrets = {ref, *words, *keys}
        secrets.update(traced.values(instance.data / "sessions" / trace.stem / "whatsmeow.db"))
        secrets.update(traced.values(instance.data / "simulator" / "simulator.db", "meta"))
        assert traced.leaks(trace, secrets) == []
        assert traced.stanzas(trace, "in", "notification", type="passkey_prologue_request")
    finally:
        instance.api.delete(connection).raise_for_status()
