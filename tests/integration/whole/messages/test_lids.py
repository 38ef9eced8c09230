"""A person who is written to by LID and by number, and a number that WhatsApp answers by another one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.whole.shop import ACCOUNT, SHOP, fault, struck
from tests.waits import until

if TYPE_CHECKING:
    from tests.processes.instance import Instance

pytestmark = [pytest.mark.timeout(240), pytest.mark.usefixtures("is_open")]


def person(instance: Instance, number: str, **more: Any) -> dict[str, Any]:
    made = instance.simulator.post(f"/contacts/{number}", json=more)
    assert made.is_success, made.text
    found: dict[str, Any] = instance.simulator.get(f"/contacts/{number}").json()
    return found


def send(instance: Instance, to: str, text: str) -> str:
    body = {"connection": SHOP, "to": to, "text": text}
    accepted = instance.api.post("/api/messages", json=body)
    assert accepted.status_code == 202, accepted.text
    return str(accepted.json()["id"])


def listed(instance: Instance, chat: str) -> list[dict[str, Any]]:
    query = {"connection": SHOP, "chat": chat, "order": "oldest", "limit": "500"}
    answer = instance.api.get("/api/messages", params=query)
    items: list[dict[str, Any]] = answer.raise_for_status().json()["items"]
    return items


def in_turn(instance: Instance, lid: str, number: str, texts: list[str]) -> dict[str, str]:
    return {text: send(instance, number if int(text) % 2 else lid, text) for text in texts}


def test_g4_sends_by_lid_and_by_number_are_one_chat_though_the_connection_is_killed(
    instance: Instance,
) -> None:
    number = "15550100081"
    lid = f"{person(instance, number)['lid']}@lid"
    concealed = fault(instance, "conceal")
    said = {"to": ACCOUNT, "text": "who am I?", "addressing": "lid"}
    instance.simulator.post(f"/contacts/{number}/say", json=said).raise_for_status()
    (heard,) = until("it is stored", lambda: listed(instance, lid), 20)
    assert (heard["chat"], struck(instance, concealed)) == (lid, 1)

    first = [f"{text}" for text in range(100, 112)]
    sent = in_turn(instance, lid, number, first)
    known = f"{number}@s.whatsapp.net"
    until("it is known", lambda: instance.message(sent["100"])["chat"] == known, 30)
    second = [f"{text}" for text in range(200, 260)]
    sent |= in_turn(instance, lid, number, second[:30])
    instance.kill("connection", SHOP)
    sent |= in_turn(instance, lid, number, second[30:])

    def arrived() -> list[str] | None:
        texts = [item["text"] for item in instance.inbox(number) if item["text"] in sent]
        return texts if len(texts) >= len(sent) else None

    texts = until("all arrived", arrived, 60)
    assert sorted(texts) == sorted(sent)
    assert [text for text in texts if text in second] == second
    for parity in (0, 1):
        assert [each for each in texts if int(each) % 2 == parity and each in first] == first[
            parity::2
        ]

    def stored() -> bool:
        return len(listed(instance, known)) == len(sent) + 1

    until("all is in one chat", stored, 30)
    found = listed(instance, known)
    assert {each["chat"] for each in found} == {known}
    assert [each["id"] for each in listed(instance, lid)] == [each["id"] for each in found]
    assert {each["id"] for each in found} >= set(sent.values())
    by_id = {each["id"]: each["message_id"] for each in found}
    ids = [item["id"] for item in instance.inbox(number) if item["text"] in sent]
    assert sorted(ids) == sorted(by_id[each] for each in sent.values())


def test_a_number_that_is_answered_by_another_one_is_its_chat(instance: Instance) -> None:
    """Brazil's ninth digit."""
    number, asked = "15550100082", "155501000829"
    person(instance, number)
    person(instance, asked, answered_by=number)
    ids = [send(instance, number if each % 2 else asked, f"{each}") for each in range(10)]

    def arrived() -> bool:
        return len(instance.inbox(number)) >= len(ids)

    until("all arrived", arrived, 30)
    assert sorted(item["text"] for item in instance.inbox(number)) == [f"{n}" for n in range(10)]
    assert instance.inbox(asked) == []
    known = f"{number}@s.whatsapp.net"
    until("all is in one chat", lambda: len(listed(instance, known)) == len(ids), 30)
    found = listed(instance, asked)
    assert {each["id"] for each in found} == set(ids)
    assert {each["chat"] for each in found} == {known}
    # And from now on it is known as they are accepted.
    later = [send(instance, asked if each % 2 else number, f"later {each}") for each in range(10)]
    assert {instance.message(each)["chat"] for each in later} == {known}

    def later_ones() -> list[str]:
        return [item["text"] for item in instance.inbox(number) if "later" in item["text"]]

    until("those arrived", lambda: len(later_ones()) == 10, 30)
    assert later_ones() == [f"later {each}" for each in range(10)]


def test_g4_a_message_to_a_misdialled_number_waits_behind_its_chat(instance: Instance) -> None:
    """Earlier ones to the number that answers wait there for an acknowledgement."""
    number, asked = "15550100085", "155501000859"
    person(instance, number)
    person(instance, asked, answered_by=number)
    held = fault(instance, "delay_acks", seconds=2.0, count=1)
    texts = ["first", "second", "misdialled", "last"]
    for text in texts[:2]:
        send(instance, number, text)
    until("the first one arrived", lambda: instance.inbox(number), 20)
    for text, to in zip(texts[2:], (asked, number), strict=True):
        send(instance, to, text)
    until("all arrived", lambda: len(instance.inbox(number)) >= len(texts), 30)
    assert struck(instance, held) == 1
    assert [item["text"] for item in instance.inbox(number)] == texts


def test_a_number_that_answers_for_itself_again_is_its_own(instance: Instance) -> None:
    number, asked = "15550100083", "155501000839"
    person(instance, number)
    person(instance, asked, answered_by=number)
    path = f"/api/connections/{SHOP}/numbers/{asked}"
    assert instance.api.get(path).json()["chat"] == f"{number}@s.whatsapp.net"
    first = send(instance, asked, "to the other one")
    until("it arrived", lambda: instance.inbox(number), 30)
    assert instance.message(first)["chat"] == f"{number}@s.whatsapp.net"
    person(instance, asked, answered_by=None)
    assert instance.api.get(path).json()["chat"] == f"{asked}@s.whatsapp.net"

    def its_own() -> bool:
        return instance.message(send(instance, asked, "to this one"))["chat"].startswith(asked)

    until("it is its own", its_own, 20)
    until("it arrived there", lambda: instance.inbox(asked), 30)
