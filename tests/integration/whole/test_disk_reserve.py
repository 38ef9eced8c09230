"""G13: a disk at its reserve keeps files out, on a whole instance, and everything else goes on."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import time
from typing import TYPE_CHECKING, Any

import pytest

from actors.runtime.limits.disk_floor import DISK_CHECK_SECONDS
from actors.state.sqlite.stored_bytes import read
from tests.integration.whole.messages.test_kinds import arrived, says, sends
from tests.integration.whole.shop import ACCOUNT, CONTACT, becomes
from tests.reserves import MORE_THAN_THERE_IS, beyond_the_free
from tests.waits import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from tests.processes.instance import Instance

pytestmark = [pytest.mark.timeout(300), pytest.mark.usefixtures("is_open")]

OTHER, OTHER_ACCOUNT = "other", "15550100005"
OF_STORE = 'teimoso_limit_used_ratio{connection="shop",limit="STORED_BYTES_PER_CONNECTION"}'
DATA = os.urandom(70_000)


def reserve(instance: Instance, size: int) -> None:
    done = instance.teimoso("settings", "set", f"DISK_RESERVE={size}")
    assert done.returncode == 0, done.stdout + done.stderr


def upload(instance: Instance) -> httpx.Response:
    return instance.api.post("/api/media", content=DATA, headers={"Content-Type": "image/png"})


@pytest.fixture
def full(instance: Instance) -> Iterator[None]:
    """The disk is at its reserve until the test says otherwise."""
    reserve(instance, beyond_the_free(instance.data))
    yield
    reserve(instance, 512 * 2**20)
    instance.answered()
    instance.api.delete(f"/api/connections/{OTHER}")


def media_of(instance: Instance, identity: str, state: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        media: dict[str, Any] = instance.message(identity)["media"]
        return media if media["state"] == state else None

    return until(f"its file is {state}", look, 30)


def alerts(instance: Instance) -> set[str]:
    found = instance.api.get("/health").raise_for_status().json()["alerts"]
    return {each["name"] for each in found}


def alerted(instance: Instance) -> bool:
    return "disk_reserve" in alerts(instance)


def closes(instance: Instance) -> int:
    """The sockets that ended for want of room."""
    lines = (instance.data / "logs" / "connection.log").read_text().splitlines()
    return sum('"close"' in line and "disk_full" in line for line in lines)


def reason_of(instance: Instance) -> str:
    found = instance.api.get("/health").raise_for_status().json()["alerts"]
    return next((str(each["reason"]) for each in found if each["name"] == "disk_reserve"), "")


def metrics(instance: Instance) -> str:
    return instance.api.get("/metrics").raise_for_status().text


def series(instance: Instance, name: str) -> float:
    found = [line for line in metrics(instance).splitlines() if line.startswith(name)]
    assert len(found) == 1, found
    return float(found[0].rpartition(" ")[2])


def test_below_a_quarter_nothing_new_comes_in_and_all_of_it_comes_later(
    instance: Instance, full: None
) -> None:
    """G5: WhatsApp keeps what arrives meanwhile."""
    closed = closes(instance)
    reserve(instance, MORE_THAN_THERE_IS)
    body = {"connection": "shop", "to": CONTACT, "text": "waits"}

    def refused() -> bool:
        return instance.api.post("/api/messages", json=body).status_code == 503

    until("sends are refused", refused, 10)
    time.sleep(2 * DISK_CHECK_SECONDS)  # the owner's last look is as old at most
    said = instance.simulator.post(
        f"/contacts/{CONTACT}/say", json={"to": ACCOUNT, "type": "text", "text": "comes later"}
    )
    identity = said.raise_for_status().json()["id"]
    until(
        "the connection shows why", lambda: instance.connection("shop")["cause"] == "disk_full", 20
    )
    assert instance.simulator.get(f"/accounts/{ACCOUNT}").json()["unacknowledged"] > 0
    until("the alert says so", lambda: "not acknowledged" in reason_of(instance), 20)
    findings = json.loads(instance.teimoso("doctor", "--json").stdout)["findings"]
    assert any(each["check"] == "messages" and each["result"] == "fail" for each in findings)
    assert not [
        one for one in instance.messages(connection="shop") if one["message_id"] == identity
    ]
    until(
        "the alert of the connection says so", lambda: "connection_blocked" in alerts(instance), 20
    )
    assert closes(instance) == closed + 1, "no login is tried meanwhile"

    reserve(instance, 512 * 2**20)
    until(
        "it is stored, once",
        lambda: (
            [one["message_id"] for one in instance.messages(connection="shop")].count(identity) == 1
        ),
        60,
    )
    becomes(instance, "open", None)
    until("sends are accepted", lambda: not refused(), 10)
    until("the alert is cleared", lambda: not alerted(instance), 20)


def stored_bytes(instance: Instance, most: int) -> None:
    done = instance.teimoso("settings", "set", f"STORED_BYTES_PER_CONNECTION={most}")
    assert done.returncode == 0, done.stdout + done.stderr


def text_to(instance: Instance, account: str, text: str) -> str:
    body = {"to": account, "type": "text", "text": text}
    said = instance.simulator.post(f"/contacts/{CONTACT}/say", json=body)
    return str(said.raise_for_status().json()["id"])


def arrives(instance: Instance, name: str, identity: str) -> None:
    """Until the message is stored, once."""

    def stored() -> bool:
        listed = [one["message_id"] for one in instance.messages(connection=name)]
        return listed.count(identity) == 1

    until("it is stored, once", stored, 60)


def test_a_connection_that_keeps_all_that_it_may_waits_alone(instance: Instance) -> None:
    """G12, G13: WhatsApp keeps what arrives for it; the other one notices nothing. An alert comes before that."""
    instance.pair(OTHER, OTHER_ACCOUNT)
    arrives(instance, "shop", text_to(instance, ACCOUNT, "w" * 20_000))
    used = read(instance.data / "state.db").used
    (had,) = (size for unit, size in used.items() if unit.startswith("shop--"))
    stored_bytes(instance, had * 10 // 9)
    try:
        until("an alert comes before", lambda: "store_full" in alerts(instance), 30)
        until("the metrics have it", lambda: OF_STORE in metrics(instance), 10)
        assert series(instance, OF_STORE) > 0.8
        stored_bytes(instance, had)
        body = {"connection": "shop", "to": CONTACT, "text": "waits"}

        def refused() -> httpx.Response | None:
            answer = instance.api.post("/api/messages", json=body)
            return answer if answer.status_code == 429 else None

        assert until("sends are refused", refused, 10).json()["code"] == "store_full"
        time.sleep(2 * DISK_CHECK_SECONDS)
        identity = text_to(instance, ACCOUNT, "comes later")
        until("it says why", lambda: instance.connection("shop")["cause"] == "disk_full", 20)
        assert instance.simulator.get(f"/accounts/{ACCOUNT}").json()["unacknowledged"] > 0
        until("so does the alert", lambda: "connection_blocked" in alerts(instance), 20)
        assert not alerted(instance), "the disk has room"

        arrives(instance, OTHER, text_to(instance, OTHER_ACCOUNT, "comes in"))
        answer = instance.api.post("/api/messages?wait=20", json={**body, "connection": OTHER})
        assert answer.status_code == 200, answer.text
        assert instance.connection(OTHER)["state"] == "open"
    finally:
        stored_bytes(instance, 0)
    arrives(instance, "shop", identity)
    becomes(instance, "open", None)
    until("sends are accepted", lambda: not refused(), 10)
    until("the alert is cleared", lambda: "store_full" not in alerts(instance), 20)
    instance.answered()
    instance.api.delete(f"/api/connections/{OTHER}")


def test_everything_but_files_goes_on(instance: Instance, full: None) -> None:
    refused = upload(instance)
    assert (refused.status_code, refused.json()["code"]) == (503, "disk_reserve")
    assert int(refused.headers["Retry-After"]) > 0

    came = says(instance, type="image", data=base64.b64encode(DATA).decode(), text="look")
    assert came["text"] == "look"
    media = media_of(instance, came["id"], "deferred")
    assert media["error"] == "disk_reserve"
    pending = instance.api.get(media["url"])
    assert (pending.status_code, pending.json()["code"]) == (409, "media_pending")
    assert "room" in pending.json()["detail"]
    until("it is counted", lambda: instance.connection("shop")["deferred_files"] == 1, 10)
    waiting = 'teimoso_connection_deferred_files{connection="shop",until="room"}'
    until("Prometheus has it", lambda: series(instance, waiting) == 1, 10)
    assert series(instance, "teimoso_files_room_bytes") == 0
    until("the alert is raised", lambda: alerted(instance), 15)
    findings = json.loads(instance.teimoso("doctor", "--json").stdout)["findings"]
    assert any(each["check"] == "files" and each["result"] == "warn" for each in findings)

    sent = sends(instance, type="text", text="goes out")
    assert arrived(instance, sent["message_id"])["text"] == "goes out"
    assert says(instance, type="text", text="comes in")["text"] == "comes in"
    instance.kill("connection", "shop")
    becomes(instance, "open", None)
    instance.kill("gateway")
    until("the gateway is back", lambda: instance.api.get("/health/live").is_success, 30)
    instance.pair(OTHER, OTHER_ACCOUNT)
    assert says(instance, type="text", text="after all that")["text"] == "after all that"
    assert media_of(instance, came["id"], "deferred")["error"] == "disk_reserve"
    assert instance.connection("shop")["deferred_files"] == 1, "the next owner knows of it"

    reserve(instance, 512 * 2**20)
    assert media_of(instance, came["id"], "stored")["error"] is None
    assert instance.api.get(media["url"]).content == DATA
    up = upload(instance)
    assert (up.status_code, up.json()["sha256"]) == (201, hashlib.sha256(DATA).hexdigest())
    until("nothing waits", lambda: instance.connection("shop")["deferred_files"] == 0, 10)
    until("the alert is cleared", lambda: not alerted(instance), 20)
    assert instance.qr("shop") is None
    assert ACCOUNT in instance.connection("shop")["account"]
