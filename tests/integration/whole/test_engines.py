"""A connection of the second engine beside one of the first, on a whole instance."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from actors.connection.whatsmeow.program import files
from tests.integration.whole.shop import SHOP
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.processes.instance import Instance

pytestmark = [
    pytest.mark.timeout(180),
    pytest.mark.usefixtures("is_open"),
    pytest.mark.skipif(
        importlib.util.find_spec("neonize") is None, reason="neonize is not installed"
    ),
]

KIOSK, ACCOUNT, CONTACT = "kiosk", "15550100051", "15550100052"
WEAK = {"persists_before_ack": False, "keeps_message_id": False}
STRONG = {"persists_before_ack": True, "keeps_message_id": True}


@pytest.fixture
def kiosk(instance: Instance) -> Iterator[str]:
    try:
        instance.pair(KIOSK, ACCOUNT, engine="neonize")
        session = instance.data / "sessions" / instance.incarnation(KIOSK)
        assert session.exists()
        yield KIOSK
    finally:
        instance.api.delete(f"/api/connections/{KIOSK}").raise_for_status()
    until("it is removed", lambda: not session.exists(), 20)


def sends(instance: Instance, connection: str, text: str) -> dict[str, Any]:
    """A message that the contact read; its text is no other test's, for they share the contact."""
    accepted = instance.api.post(
        "/api/messages", json={"connection": connection, "to": CONTACT, "text": text}
    )
    assert accepted.status_code == 202, accepted.text
    identity = accepted.json()["id"]
    until("it is read", lambda: instance.message(identity)["status"] == "read", 20)
    # What was uncertain goes again under its id, and the contact shows it once (G3).
    assert len({one["id"] for one in instance.inbox(CONTACT) if one["text"] == text}) == 1
    return instance.message(identity)


def hears(instance: Instance, connection: str, account: str, text: str) -> None:
    instance.say(CONTACT, account, text)

    def stored() -> bool:
        found = instance.messages(connection=connection, direction="in")
        return text in [one["text"] for one in found]

    until("it is stored", stored, 20)


def has_loaded_it(pid: int) -> bool:
    return "neonize" in Path(f"/proc/{pid}/maps").read_text()


def test_a_connection_of_the_second_engine_beside_one_of_the_first(
    instance: Instance, kiosk: str
) -> None:
    """G7, G8, G10; and reactions, receipts and edits find a message that WhatsApp calls otherwise."""
    shop = instance.process("connection", SHOP).pid
    assert (instance.connection(kiosk)["engine"], instance.connection(kiosk)["guarantees"]) == (
        "neonize",
        WEAK,
    )
    assert instance.connection(SHOP)["guarantees"] == STRONG
    told = {one.pop("name"): one for one in instance.api.get("/health").json()["engines"]}
    assert told == {
        "native": {**STRONG, "installed": True},
        "whatsmeow": {**STRONG, "installed": files.find() is not None},
        "neonize": {**WEAK, "installed": True},
    }
    first = sends(instance, kiosk, "from the kiosk")
    theirs = next(one["id"] for one in instance.inbox(CONTACT) if one["text"] == "from the kiosk")
    assert theirs != first["message_id"]
    hears(instance, kiosk, ACCOUNT, "to the kiosk")

    epoch = instance.connection(kiosk)["epoch"]
    instance.kill("connection", kiosk)

    def again() -> bool:
        seen = instance.connection(kiosk)
        return bool(seen["state"] == "open" and seen["epoch"] > epoch)

    until("it is open again", again, 20)
    sends(instance, kiosk, "from the next one of the kiosk")
    hears(instance, kiosk, ACCOUNT, "to the next one")
    instance.simulator.post(
        f"/contacts/{CONTACT}/say",
        json={"to": ACCOUNT, "type": "reaction", "target": theirs, "text": "+"},
    ).raise_for_status()
    until("the reaction is noted", lambda: instance.message(first["id"])["reactions"], 20)

    pids = {SHOP: shop, kiosk: instance.process("connection", kiosk).pid}
    assert instance.process("connection", SHOP).pid == shop, "its neighbour was disturbed"
    assert {name for name, pid in pids.items() if has_loaded_it(pid)} == {kiosk}
    assert not any(map(has_loaded_it, instance.pids("standby")))
    told_by = [path for path in instance.data.rglob(f"*{pids[kiosk]}*") if path.is_file()]
    logs = [*told_by, *(instance.data / "logs").glob("connection*")]
    words = "".join(path.read_text(errors="replace") for path in logs)
    assert str(pids[kiosk]) in words
    assert not [one for one in (ACCOUNT, CONTACT, "Press Ctrl", "the kiosk") if one in words]


def test_what_the_second_engine_cannot_is_refused(instance: Instance, kiosk: str) -> None:
    refused = instance.api.post(
        "/api/messages",
        json={"connection": kiosk, "to": CONTACT, "type": "image", "media": {"sha256": "0" * 64}},
    )
    assert (refused.status_code, refused.json()["code"]) == (422, "unsupported_by_engine")
    assert "neonize" in refused.json()["detail"]
