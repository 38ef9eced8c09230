"""Each kind of message, both ways, on a whole instance; the simulator is the judge."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.whole.shop import ACCOUNT, CONTACT, start
from tests.waits import until

if TYPE_CHECKING:
    from tests.processes.instance import Instance

pytestmark = [pytest.mark.timeout(240), pytest.mark.usefixtures("is_open")]

ANA = CONTACT
CHAT = f"{ANA}@s.whatsapp.net"


def sends(instance: Instance, **body: Any) -> dict[str, Any]:
    """Accepted, and sent."""
    answer = instance.api.post(
        "/api/messages?wait=20", json={"connection": "shop", "to": ANA, **body}
    )
    assert answer.status_code == 200, answer.text
    accepted: dict[str, Any] = answer.json()
    assert accepted["status"] in {"sent", "delivered", "read"}, instance.message(accepted["id"])
    return accepted


def arrived(instance: Instance, message_id: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        return next((one for one in instance.inbox(ANA) if one["id"] == message_id), None)

    found: dict[str, Any] = until("it arrived", look, 15)
    return found


def says(instance: Instance, speaker: str = f"contacts/{ANA}", **what: Any) -> dict[str, Any]:
    """Has a person send a message; returns it once it is stored."""
    to = ANA if speaker.startswith("phones") else ACCOUNT
    said = instance.simulator.post(f"/{speaker}/say", json={"to": to, **what})
    assert said.status_code < 300, said.text

    def look() -> dict[str, Any] | None:
        listed = instance.messages(connection="shop")
        return next((one for one in listed if one["message_id"] == said.json()["id"]), None)

    stored: dict[str, Any] = until("it is stored", look, 15)
    return stored


def becomes(instance: Instance, identity: str, **fields: Any) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        message = instance.message(identity)
        return message if all(message[name] == value for name, value in fields.items()) else None

    found: dict[str, Any] = until(f"it has {fields}", look, 15)
    return found


def is_pinned(instance: Instance, identity: str) -> None:
    until("it is pinned", lambda: instance.message(identity)["pinned_until"] is not None, 15)


@pytest.mark.parametrize(
    ("body", "kind", "content"),
    [
        (
            {"type": "location", "latitude": 38.75, "longitude": -9.25, "name": "Here"},
            "location",
            {"latitude": 38.75, "longitude": -9.25, "name": "Here"},
        ),
        (
            {"type": "contact", "contacts": [{"name": "Ben", "phone": "15550100003"}]},
            "contact",
            {"name": "Ben"},
        ),
        (
            {"type": "poll", "question": "Tea?", "options": ["yes", "no"], "choices": 1},
            "poll",
            {"options": ["yes", "no"], "selectable": 1},
        ),
    ],
)
def test_a_kind_reaches_the_contact(
    instance: Instance, body: dict[str, Any], kind: str, content: dict[str, Any]
) -> None:
    got = arrived(instance, sends(instance, **body)["message_id"])
    assert got["type"] == kind
    assert content.items() <= got["content"].items()


def test_replies_reactions_edits_and_deletes_reach_the_contact(instance: Instance) -> None:
    question = says(instance, text="well?")
    answer = sends(instance, text="yes", reply_to=question["id"])
    got = arrived(instance, answer["message_id"])
    assert got["content"]["reply_to"]["id"] == question["message_id"]
    back = says(instance, text="good", reply_to=answer["message_id"])
    assert back["quoted"] == {
        "id": answer["id"],
        "message_id": answer["message_id"],
        "author": None,
        "type": "text",
        "excerpt": "yes",
    }
    reaction = sends(instance, type="reaction", message=question["id"], emoji="👍")
    got = arrived(instance, reaction["message_id"])
    assert (got["type"], got["text"]) == ("reaction", "👍")
    assert got["content"]["target"]["id"] == question["message_id"]
    edit = sends(instance, type="edit", message=answer["id"], text="yes, gladly")
    got = arrived(instance, edit["message_id"])
    assert (got["type"], got["text"]) == ("edit", "yes, gladly")
    assert got["content"]["target"]["id"] == answer["message_id"]
    becomes(instance, answer["id"], text="yes, gladly")
    delete = sends(instance, type="delete", message=answer["id"])
    got = arrived(instance, delete["message_id"])
    assert (got["type"], got["content"]["target"]["id"]) == ("delete", answer["message_id"])
    becomes(instance, answer["id"], text=None)


def test_a_message_is_pinned_by_either_side(instance: Instance) -> None:
    theirs = says(instance, text="the address")
    pin = sends(instance, type="pin", message=theirs["id"], seconds=86_400)
    got = arrived(instance, pin["message_id"])
    assert (got["type"], got["content"]["seconds"]) == ("pin", 86_400)
    assert got["content"]["target"]["id"] == theirs["message_id"]
    is_pinned(instance, theirs["id"])
    back = sends(instance, type="pin", message=theirs["id"], seconds=0)
    got = arrived(instance, back["message_id"])
    assert (got["type"], got["content"]["seconds"]) == ("pin", 0)
    becomes(instance, theirs["id"], pinned_until=None)
    says(instance, type="pin", target=theirs["message_id"], seconds=2_592_000)
    is_pinned(instance, theirs["id"])


def test_a_message_is_forwarded_and_counted(instance: Instance) -> None:
    """One of a contact's is marked, and counts on; the account's own is not."""
    theirs, own = says(instance, text="read this"), sends(instance, text="and this")
    for original, forwarded in ((theirs["id"], 1), (own["id"], None)):
        path = f"/api/messages/{original}/forward"
        answer = instance.api.post(f"{path}?wait=20", json={"to": ANA})
        assert answer.status_code == 200, answer.text
        got = arrived(instance, answer.json()["message_id"])
        assert got["text"] in {"read this", "and this"}
        assert got["content"].get("forwarded") == forwarded


def test_what_a_contact_says_in_each_kind(instance: Instance) -> None:
    place = says(instance, type="location", latitude=38.75, longitude=-9.25, name="There")
    assert place["content"] == {
        "type": "location",
        "latitude": 38.75,
        "longitude": -9.25,
        "name": "There",
        "address": None,
    }
    card = says(instance, type="contact", name="Eva", phone="15550100004")
    assert card["content"]["contacts"][0]["name"] == "Eva"
    poll = says(instance, type="poll", text="Tea?", options=["yes", "no"], selectable=1)
    assert (poll["content"]["question"], poll["content"]["options"]) == ("Tea?", ["yes", "no"])


def test_votes_in_polls_of_both_sides(instance: Instance) -> None:
    theirs = says(instance, type="poll", text="Tea?", options=["yes", "no"], selectable=1)
    ours = sends(instance, type="poll", question="When?", options=["now", "later"], choices=2)
    for poll, number, options in (
        (theirs["id"], theirs["message_id"], ["no"]),
        (ours["id"], ours["message_id"], ["now", "later"]),
        (ours["id"], ours["message_id"], []),
    ):
        vote = sends(instance, type="poll_vote", message=poll, options=options)
        got = arrived(instance, vote["message_id"])
        assert (got["type"], got["content"]["options"]) == ("vote", options)
        assert got["content"]["target"]["id"] == number

        def noted(poll: str = poll, options: list[str] = options) -> bool:
            votes = instance.message(poll)["votes"]
            return [(one["by"], one["options"]) for one in votes] == [("me", options)]

        until("it is noted in its poll", noted, 15)
    says(instance, f"phones/{ACCOUNT}", type="vote", target=ours["message_id"], options=["later"])
    (vote,) = instance.message(ours["id"])["votes"]
    assert (vote["by"], vote["options"]) == ("me", ["later"])


@pytest.mark.parametrize(
    "order",
    [
        "as said",
        "newest first",
    ],
)
def test_of_two_votes_within_one_second_the_later_counts(instance: Instance, order: str) -> None:
    """Votes tell milliseconds (`senderTimestampMs`), stanzas whole seconds."""
    ours = sends(instance, type="poll", question="When?", options=["now", "later"], choices=1)
    arrived(instance, ours["message_id"])
    if order == "newest first":
        fault = {"account": ACCOUNT, "kind": "reorder", "count": 2}
        instance.simulator.post("/faults", json=fault).raise_for_status()
    time.sleep(1.05 - time.time() % 1)  # so that both are of one second
    said = [
        instance.simulator.post(
            f"/contacts/{ANA}/say",
            json={
                "to": ACCOUNT,
                "type": "vote",
                "target": ours["message_id"],
                "options": [option],
            },
        ).json()["id"]
        for option in ("now", "later")
    ]
    seconds = {
        int(one["at"])
        for one in instance.simulator.get(f"/contacts/{ANA}/said").json()["items"]
        if one["id"] in said
    }
    assert len(seconds) == 1

    def stored() -> bool:
        listed = {one["message_id"] for one in instance.messages(connection="shop")}
        return listed >= set(said)

    until("both votes are stored", stored, 15)
    (vote,) = instance.message(ours["id"])["votes"]
    assert (vote["by"], vote["options"]) == (CHAT, ["later"])


@pytest.mark.parametrize("speaker", [f"contacts/{ANA}", f"phones/{ACCOUNT}"])
@pytest.mark.parametrize("wrapped", [False, True])
def test_changes_from_either_side(instance: Instance, speaker: str, wrapped: bool) -> None:
    first = says(instance, speaker, text="helo")
    number = first["message_id"]
    edit = says(instance, speaker, type="edit", target=number, text="hello", wrapped=wrapped)
    assert edit["content"]["message"]["id"] == first["id"]
    edited = becomes(instance, first["id"], text="hello")
    assert [one["text"] for one in edited["edits"]] == ["helo"]
    by = CHAT if speaker.startswith("contacts") else "me"
    says(instance, speaker, type="reaction", target=number, text="🎉")
    reacted = instance.message(first["id"])["reactions"]
    assert [(one["by"], one["emoji"]) for one in reacted] == [(by, "🎉")]
    says(instance, speaker, type="delete", target=number)
    assert becomes(instance, first["id"], text=None)["deleted_at"] is not None


def test_both_sides_change_what_this_service_sent(instance: Instance) -> None:
    ours = sends(instance, text="typed too fast")
    says(instance, type="reaction", target=ours["message_id"], text="👍")
    assert instance.message(ours["id"])["reactions"][0]["by"] == CHAT
    says(instance, f"phones/{ACCOUNT}", type="edit", target=ours["message_id"], text="typed well")
    becomes(instance, ours["id"], text="typed well")
    says(instance, f"phones/{ACCOUNT}", type="delete", target=ours["message_id"])
    becomes(instance, ours["id"], text=None)
    reply = says(instance, text="why?", reply_to=ours["message_id"])
    assert reply["reply_to"]["id"] == ours["id"]


def test_numbers_presence_and_typing(instance: Instance) -> None:
    answer = instance.api.get(f"/api/connections/shop/numbers/{ANA}")
    assert answer.json() == {"number": ANA, "on_whatsapp": True, "chat": CHAT}
    for path, body in (
        ("presence", {"presence": "available"}),
        (f"chats/{ANA}/typing", {"state": "composing"}),
        (f"chats/{ANA}/typing", {"state": "paused"}),
    ):
        told = instance.api.post(f"/api/connections/shop/{path}", json=body)
        assert told.status_code == 204, told.text
    assert instance.connection("shop")["state"] == "open"


def test_who_is_online_and_types_is_seen_over_a_reconnection(instance: Instance) -> None:
    base = "/api/connections/shop/presence"

    def posted(path: str, **body: Any) -> None:
        answer = instance.simulator.post(path, json=body)
        assert answer.status_code < 300, answer.text

    def sees(**fields: Any) -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            told: dict[str, Any] = instance.api.get(f"{base}/{ANA}").json()
            return told if fields.items() <= told.items() else None

        seen: dict[str, Any] = until(f"it sees {fields}", look, 20)
        return seen

    instance.api.post(base, json={"presence": "available"}).raise_for_status()
    instance.api.post("/api/connections/shop/subscriptions", json={"chat": ANA}).raise_for_status()
    sees(presence="unavailable")
    posted(f"/contacts/{ANA}/presence", available=True)
    before = sees(presence="available")
    posted(f"/contacts/{ANA}/typing", to=ACCOUNT, state="recording")
    sees(presence="available", typing="recording")
    posted(f"/contacts/{ANA}/typing", to=ACCOUNT, state="paused")
    sees(typing=None)
    posted("/faults", account=ACCOUNT, kind="drop")
    until("a new socket learnt of it", lambda: sees(presence="available")["at"] > before["at"], 30)
    posted(f"/contacts/{ANA}/presence", available=False)
    assert sees(presence="unavailable")["last_seen"] is not None


def test_a_closed_connection_is_not_asked(instance: Instance) -> None:
    """Also while its owner is still about to end."""
    instance.api.post("/api/connections/shop/stop")
    try:
        for _ in range(2):
            for refused in (
                instance.api.get(f"/api/connections/shop/numbers/{ANA}"),
                instance.api.post("/api/connections/shop/subscriptions", json={"chat": ANA}),
            ):
                assert (refused.status_code, refused.json()["code"]) == (409, "connection_not_open")
            until("it is stopped", lambda: instance.connection("shop")["state"] == "stopped", 15)
        seen = instance.api.get(f"/api/connections/shop/presence/{ANA}").json()
        assert seen["presence"] == "unknown"
    finally:
        start(instance)
