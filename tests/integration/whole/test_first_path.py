"""The first path through the whole service, walked as a newcomer walks it."""

from __future__ import annotations

import json
import os
import time
from typing import Any

import pytest

from tests.integration.whole.shop import SHOP, becomes
from tests.processes.instance import PARTS, Instance
from tests.waits import until

pytestmark = pytest.mark.timeout(240)


@pytest.fixture
def shop(instance: Instance) -> str:
    """Returns the name of a newcomer's connection; the instance has linked it."""
    becomes(instance, "open", None)
    return SHOP


def test_a_sent_message_is_read_by_the_contact(instance: Instance, shop: str) -> None:
    answer = instance.api.post(
        "/api/messages",
        json={"connection": shop, "to": "15550100002", "type": "text", "text": "hi"},
    )
    assert answer.status_code == 202
    accepted = answer.json()
    assert answer.headers["Location"] == f"/api/messages/{accepted['id']}"

    def read() -> bool:
        return bool(instance.message(accepted["id"])["status"] == "read")

    until("the message is read", read, 15)
    message = instance.message(accepted["id"])
    times = [
        message[f"{status}_at"] for status in ("queued", "sending", "sent", "delivered", "read")
    ]
    assert all(times)
    assert times == sorted(times)
    [arrived] = [item for item in instance.inbox("15550100002") if item["text"] == "hi"]
    assert arrived["id"] == accepted["message_id"]
    assert arrived["from"] == "15550100001"
    assert arrived["deliveries"] == 1


def test_messages_stand_behind_nothing_and_their_view_behind_all(
    instance: Instance, shop: str
) -> None:
    """Ray runs what it starts at nice 15, and a priority is a thread's."""

    def priorities(role: str, connection: str | None = None) -> set[int]:
        threads = instance.process(role, connection).threads()
        return {os.getpriority(os.PRIO_PROCESS, thread.id) for thread in threads}

    [usual] = priorities("valkey")
    assert priorities("connection", shop) == {usual}
    assert priorities("root") == {usual}
    assert max(priorities("queue")) >= max(usual, 10)


def test_what_a_contact_says_is_stored_once(instance: Instance, shop: str) -> None:
    identity = instance.say("15550100003", "15550100001", "good morning")

    def stored() -> list[dict[str, object]]:
        return [
            item
            for item in instance.messages(connection=shop, direction="in")
            if item["message_id"] == identity
        ]

    [message] = until("the message is stored", lambda: stored() or None, 15)
    assert message["text"] == "good morning"
    assert message["chat"] == "15550100003@s.whatsapp.net"
    author = message["author"]
    assert isinstance(author, dict)
    assert (author["address"], author["number"]) == (message["sender"], "15550100003")
    assert author["name"] == "Person 0003"
    until(
        "WhatsApp has the acknowledgement",
        # Of devices that are online: the account may have others.
        lambda: not instance.simulator.get("/unanswered?account=15550100001").json()["open"],
        10,
    )


def test_an_answer_stands_below_its_question(instance: Instance, shop: str) -> None:
    """Also where both are of one second, of which WhatsApp tells the beginning alone."""
    of_one_second = False
    for number in range(5):
        time.sleep(1.05 - time.time() % 1)
        question, reply, answer = found = _dialogue(instance, shop, number)
        times = [one["at"] for one in found]
        assert times == sorted(times)
        assert [one["whatsapp_at"] for one in (question, answer)] == [None, None]
        of_one_second = reply["whatsapp_at"][:19] == question["accepted_at"][:19]
        if of_one_second:
            assert reply["whatsapp_at"] < question["accepted_at"]
            break
    assert of_one_second


def _dialogue(instance: Instance, shop: str, number: int) -> list[dict[str, Any]]:
    """A question, a contact's reply, and the answer to that, each once the one before it is there; as they are listed."""
    texts = [f"{text} ({number})" for text in ("Open on Monday?", "Yes, from nine.", "Until?")]

    def send(text: str) -> None:
        body = {"connection": shop, "to": "15550100002", "type": "text", "text": text}
        instance.api.post("/api/messages", json=body).raise_for_status()

    def listed() -> list[dict[str, Any]]:
        found = instance.messages(connection=shop, chat="15550100002", order="oldest")
        return [one for one in found if one["text"] in texts]

    def arrived() -> bool:
        return any(one["text"] == texts[0] for one in instance.inbox("15550100002"))

    send(texts[0])
    until("the question arrived", arrived, 5)
    instance.say("15550100002", "15550100001", texts[1])
    until("the reply is listed", lambda: texts[1] in [one["text"] for one in listed()], 5)
    send(texts[2])
    found = until("all are listed", lambda: listed() if len(listed()) == 3 else None, 10)
    assert [one["text"] for one in found] == texts
    return found


def test_what_the_phone_sends_is_read_by_the_contact(instance: Instance, shop: str) -> None:
    said = instance.simulator.post(
        "/phones/15550100001/say", json={"to": "15550100002", "text": "from my phone"}
    )
    said.raise_for_status()

    def read() -> dict[str, Any] | None:
        found = instance.messages(connection=shop, direction="out", status="read")
        return next((one for one in found if one["text"] == "from my phone"), None)

    message = until("the message is read", read, 15)
    assert message["message_id"] == said.json()["id"]
    assert message["sent_at"] <= message["delivered_at"] <= message["read_at"]


def test_status_names_every_process(instance: Instance, shop: str) -> None:
    def look() -> dict[str, Any] | None:
        status = instance.ready(20)
        roles = {entry["role"] for entry in status["processes"]}
        return status if roles >= {*PARTS, "connection", "standby"} else None

    # The former standby serves the connection by now; the next one is made behind it.
    status = until("every role has a process", look, 20)
    printed = json.loads(instance.teimoso("status", "--json").stdout)
    assert {one["pid"] for one in printed["processes"]} >= {
        one["pid"] for one in status["processes"] if one["role"] in PARTS
    }
    assert [entry["pid"] for entry in status["processes"] if entry.get("connection") == shop]


def test_health_has_its_short_form_without_a_key(instance: Instance, shop: str) -> None:
    health = instance.api.get("/health", headers={"X-Api-Key": ""}).json()
    assert set(health) == {"status", "uptime", "connections", "queue", "resources"}
    assert set(health["queue"]) == {"waiting", "active", "dead", "failed"}
    assert health["resources"]["cpu"] >= 0
    assert 0 < health["resources"]["memory"]["percentage"] < 100
    assert shop not in str(health)

    def counted() -> bool:
        """Connections that other tests made on this instance may still be on their way out."""
        found = len(instance.api.get("/api/connections").json()["items"])
        named = {"open": found, "active": found}
        counts = {"total": found, **named, "failed": 0, "recovering": 0}
        public = instance.api.get("/health", headers={"X-Api-Key": ""}).json()["connections"]
        known = instance.api.get("/health").json()["connections"]
        return bool(public == counts == known)

    until("/health counts the connections", counted, 15)
