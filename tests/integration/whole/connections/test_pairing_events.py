"""A webhook receives each QR and code of an account that is being linked, and links it by them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from actors.config.settings import Settings
from tests.integration.gateway.receiver import Receiver
from tests.waits import until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.processes.instance import Instance

pytestmark = pytest.mark.timeout(300)

SCANNED, TYPED = "15550100191", "15550100192"


class WebhookConnection:
    """A connection whose own webhook leads to a receiver."""

    def __init__(self, instance: Instance, receiver: Receiver) -> None:
        self.instance, self.receiver = instance, receiver
        self.name = f"hooked-{receiver.port}"
        body = {"id": self.name, "webhook": receiver.url}
        made = instance.api.post("/api/connections", json=body).raise_for_status().json()
        receiver.secrets.append(made["webhook"]["secret"])

    def shown(self, count: int) -> list[dict[str, Any]]:
        """Returns the QRs and codes that the receiver got, once there are `count`."""

        def look() -> list[dict[str, Any]] | None:
            taken = [each for each in self.receiver.taken if each["type"] == "connection.qr"]
            return [each["data"] for each in taken] if len(taken) >= count else None

        return until(f"{count} have arrived", look, 30)

    def opens(self, account: str) -> None:
        until("open", lambda: self.instance.connection(self.name)["state"] == "open", 30)
        assert self.instance.connection(self.name)["account"] == f"{account}@s.whatsapp.net"


@pytest.fixture
def hooked(instance: Instance) -> Iterator[WebhookConnection]:
    for number in (SCANNED, TYPED):
        instance.simulator.post("/phones", json={"number": number}).raise_for_status()
    with Receiver() as receiver:
        waiting = WebhookConnection(instance, receiver)
        yield waiting
        instance.answered()
        instance.api.delete(f"/api/connections/{waiting.name}").raise_for_status()


def test_the_qr_of_an_event_links_the_account_and_is_written_nowhere(
    hooked: WebhookConnection,
) -> None:
    """With an owner that is killed in between, whose successor shows another one."""
    instance = hooked.instance
    (first,) = hooked.shown(1)
    assert (first["kind"], first["number"], first["withheld"]) == ("qr", 1, None)
    assert first["qr"] == instance.qr(hooked.name), "as the API shows it"
    instance.kill("connection", hooked.name)
    second = hooked.shown(2)[1]
    assert second["epoch"] > first["epoch"]
    assert second["qr"] != first["qr"]
    scanned = instance.simulator.post(f"/phones/{SCANNED}/scan", json={"qr": second["qr"]})
    assert scanned.is_success, scanned.text
    hooked.opens(SCANNED)
    assert len(hooked.shown(2)) == 2, "one event for each"
    unwritten(instance, [first["qr"], second["qr"]])


def test_the_code_of_an_event_links_the_account_and_is_written_nowhere(
    hooked: WebhookConnection,
) -> None:
    instance = hooked.instance
    (qr,) = hooked.shown(1)
    path = f"/api/connections/{hooked.name}/pairing-code"
    asked = instance.api.post(path, json={"phone": f"+{TYPED}"}).raise_for_status().json()
    code = hooked.shown(2)[1]
    assert (code["kind"], code["code"], code["qr"]) == ("code", asked["code"], None)
    assert code["expires_at"] == asked["expires_at"]
    path = f"/phones/{TYPED}/link-code"
    instance.simulator.post(path, json={"code": code["code"]}).raise_for_status()
    hooked.opens(TYPED)
    assert len(hooked.shown(2)) == 2, "one event for each"
    unwritten(instance, [qr["qr"], code["code"], code["code"].replace("-", "")])


def unwritten(instance: Instance, secrets: Sequence[str]) -> None:
    """Nothing of what links an account is in a log, in the store, in metrics or in status files."""
    settings = Settings.load(instance.data)
    files = [
        *settings.state_file.parent.glob(f"{settings.state_file.name}*"),
        *instance.data.glob("*.json"),
        *(file for file in settings.logs.rglob("*") if file.is_file()),
    ]
    assert len(files) > 5
    places = {str(file): file.read_bytes() for file in files}
    places["metrics"] = instance.api.get("/metrics").raise_for_status().content
    # A QR is several secrets, joined by commas; of a reference a log could have had a part.
    parts = [part for secret in secrets for part in secret.split(",") if len(part) >= 8]
    assert parts
    for place, content in places.items():
        for part in parts:
            assert part.encode() not in content, place
