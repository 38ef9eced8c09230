"""Groups, and the time before, on a whole instance; the simulator is the judge."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.gateway.receiver import Receiver
from tests.integration.whole.shop import ACCOUNT, CONTACT, SHOP
from tests.waits import until

if TYPE_CHECKING:
    from tests.processes.instance import Instance

pytestmark = [pytest.mark.timeout(240), pytest.mark.usefixtures("is_open")]

BEN = "15550100003"


def asked(instance: Instance, path: str, **body: Any) -> dict[str, Any]:
    answer = instance.simulator.post(path, json=body)
    assert answer.status_code < 300, answer.text
    told: dict[str, Any] = answer.json()
    return told


def listed(instance: Instance, **wanted: Any) -> dict[str, Any]:
    """The one message that is so, once it is stored."""

    def look() -> dict[str, Any] | None:
        found = instance.messages(connection=SHOP)
        return next((one for one in found if all(one[k] == v for k, v in wanted.items())), None)

    seen: dict[str, Any] = until(f"{wanted} is stored", look, 15)
    return seen


def test_a_group_both_ways_through_the_api(instance: Instance) -> None:
    group = asked(instance, "/groups", subject="Us", creator=CONTACT, participants=[ACCOUNT, BEN])[
        "id"
    ]
    sent = instance.api.post(
        "/api/messages?wait=20", json={"connection": SHOP, "to": group, "text": "to all"}
    )
    assert sent.status_code == 200, sent.text
    assert sent.json()["status"] in {"sent", "delivered", "read"}

    def reached() -> bool:
        return all(
            [one["group"] for one in instance.inbox(member) if one["text"] == "to all"] == [group]
            for member in (CONTACT, BEN)
        )

    until("both have it", reached, 15)

    def is_read() -> bool:
        return bool(instance.message(sent.json()["id"])["status"] == "read")

    until("it is read", is_read, 15)
    asked(instance, f"/contacts/{BEN}/say", to=group, text="to you all")
    heard = listed(instance, text="to you all")
    assert (heard["chat"], heard["sender"]) == (group, f"{BEN}@s.whatsapp.net")
    reaction = {"connection": SHOP, "to": group, "type": "reaction", "emoji": "👍"}
    done = instance.api.post("/api/messages?wait=20", json=reaction | {"message": heard["id"]})
    assert done.status_code == 200, done.text
    groups = instance.api.get(f"/api/connections/{SHOP}/groups").raise_for_status().json()["items"]
    (found,) = [one for one in groups if one["chat"] == group]
    assert found["subject"] == "Us"
    assert {one["address"]: one["admin"] for one in found["members"]} == {
        f"{ACCOUNT}@s.whatsapp.net": False,
        f"{CONTACT}@s.whatsapp.net": True,
        f"{BEN}@s.whatsapp.net": False,
    }
    gone = {"connection": SHOP, "to": "120363999999999999@g.us", "text": "nobody"}
    refused = instance.api.post("/api/messages?wait=20", json=gone).json()
    assert (refused["code"], refused["message"]["error"]) == ("message_dead", "unknown_group")
    seen = instance.message(refused["message"]["id"])
    assert (seen["status"], seen["error"]) == ("dead", "unknown_group")


def test_members_are_mentioned_as_the_group_knows_them(instance: Instance) -> None:
    """By LIDs, in the text too; somebody else is refused for good."""
    people = {"creator": CONTACT, "participants": [ACCOUNT, BEN], "addressing": "lid"}
    group = asked(instance, "/groups", subject="Us", **people)["id"]
    lids = {one: instance.simulator.get(f"/contacts/{one}").json()["lid"] for one in (CONTACT, BEN)}

    def sent(mentions: Any) -> dict[str, Any]:
        body = {"connection": SHOP, "to": group, "text": f"well, @{BEN}?", "mentions": mentions}
        answer: dict[str, Any] = instance.api.post("/api/messages?wait=20", json=body).json()
        return answer

    def arrived(message_id: str) -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            return next((one for one in instance.inbox(BEN) if one["id"] == message_id), None)

        found: dict[str, Any] = until("it arrived", look, 15)
        return found

    one = sent([BEN])
    got = arrived(one["message_id"])
    assert (got["text"], got["content"]["mentions"]) == (
        f"well, @{lids[BEN]}?",
        [f"{lids[BEN]}@lid"],
    )
    shown = instance.message(one["id"])
    assert (shown["text"], shown["mentions"]) == (f"well, @{BEN}?", [f"{BEN}@s.whatsapp.net"])
    everybody = sent("all")
    got = arrived(everybody["message_id"])
    assert set(got["content"]["mentions"]) > {f"{one}@lid" for one in lids.values()}
    assert instance.message(everybody["id"])["mentions"] == "all"
    refused = sent(["15550100077"])
    assert refused["code"] == "message_dead"
    assert refused["message"]["error"] == "mention_not_in_group"


def test_a_group_is_known_by_its_subject(instance: Instance) -> None:
    """Also one to which nothing was ever sent: its first message has WhatsApp asked."""
    names = {"subject": "Chess club", "creator": CONTACT, "participants": [ACCOUNT, BEN]}
    group = asked(instance, "/groups", **names)["id"]
    asked(instance, f"/contacts/{BEN}/say", to=group, text="pawn to e4, said Ben")
    first = listed(instance, text="pawn to e4, said Ben")
    number = count(1)

    def named() -> dict[str, Any]:
        text = f"knight to f3, said Ben ({next(number)})"
        asked(instance, f"/contacts/{BEN}/say", to=group, text=text)
        heard = listed(instance, text=text)
        return heard if heard["chat_name"] is not None else {}

    heard = until("a message has the subject", named, 20)
    assert first["chat_name"] in {None, "Chess club"}
    assert (heard["chat_name"], heard["author"]["name"]) == ("Chess club", "Person 0003")
    asked_for = {"connection": SHOP}
    found = instance.api.get(f"/api/groups/{group}", params=asked_for).raise_for_status().json()
    assert (found["chat"], found["name"]) == (group, "Chess club")
    members = {one["number"]: (one["name"], one["admin"]) for one in found["members"]}
    assert members[BEN] == ("Person 0003", False)
    assert members[CONTACT][1] is True
    missing = instance.api.get("/api/groups/120363999999999999@g.us", params=asked_for)
    assert (missing.status_code, missing.json()["code"]) == (404, "unknown_group")


def test_a_group_of_the_accounts_own_and_its_events(instance: Instance) -> None:
    """Created, changed and left by requests; what others change is an event too, also in the list of chats."""
    with Receiver() as receiver:
        wanted = ["group.updated", "group.participants"]
        hook = {"url": receiver.url, "events": wanted, "connections": [SHOP]}
        made = instance.api.post("/api/webhooks", json=hook).raise_for_status().json()
        receiver.secrets.append(made["secret"])
        at = {"connection": SHOP}
        body = {**at, "subject": "Ours", "participants": [CONTACT]}
        created = instance.api.post("/api/groups", json=body)
        assert created.status_code == 201, created.text
        group = created.json()["chat"]
        assert [one["outcome"] for one in created.json()["participants"]] == ["done"]
        path = f"/api/groups/{group}"
        added = instance.api.post(f"{path}/participants", params=at, json={"participants": [BEN]})
        assert added.json()["participants"][0]["outcome"] == "done", added.text
        changes = {"subject": "Ours alone", "announce": True}
        assert instance.api.patch(path, params=at, json=changes).status_code == 204
        shown = instance.api.get(path, params=at).raise_for_status().json()
        assert (shown["name"], shown["announce"]) == ("Ours alone", True)
        asked(instance, f"/groups/{group}/participants", promote=[BEN], by=ACCOUNT)

        def changed() -> set[tuple[Any, ...]]:
            return {
                (data["setting"], data["value"])
                if event["type"] == "group.updated"
                else (data["change"], *(one["number"] for one in data["people"]))
                for event in receiver.taken
                if (data := event["data"])["chat"] == group
            }

        expected = {
            ("subject", "Ours"),
            ("subject", "Ours alone"),
            ("announce", True),
            ("added", ACCOUNT),
            ("added", BEN),
            ("promoted", BEN),
        }
        until("all events came", lambda: changed() >= expected, 30)
        link = instance.api.get(f"{path}/invite", params=at).raise_for_status().json()["link"]
        assert link.startswith("https://chat.whatsapp.com/")
        assert instance.api.delete(path, params=at).status_code == 204
        gone = instance.api.delete(path, params=at)
        assert (gone.status_code, gone.json()["code"]) == (404, "unknown_group")
        instance.api.delete(f"/api/webhooks/{made['id']}").raise_for_status()


def test_the_time_before_is_listed_where_it_belongs(instance: Instance) -> None:
    told = asked(
        instance,
        f"/phones/{ACCOUNT}/history",
        conversations=[
            {
                "chat": BEN,
                "messages": [
                    {"text": "long ago", "at": 1_700_000_000},
                    {"text": "an answer", "at": 1_700_000_100, "from_me": True},
                ],
            }
        ],
    )
    first = listed(instance, message_id=told["ids"][0])
    assert (first["text"], first["source"], first["direction"]) == ("long ago", "history", "in")
    assert first["at"].startswith("2023-11-14T22:13:20")
    second = listed(instance, message_id=told["ids"][1])
    assert (second["text"], second["direction"], second["status"]) == ("an answer", "out", "sent")
