"""Groups, pictures and block lists that clients manage, and what they hear of others who do."""

from __future__ import annotations

import base64
import ssl
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.conformance.processes import until

if TYPE_CHECKING:
    from tests.conformance.processes import Client, Simulator

JPEG = b"\xff\xd8\xff\xe0picture\xff\xd9"


def manage(client: Client, what: str, **more: Any) -> dict[str, Any]:
    """Has the client do something, and returns what its library makes of the answer."""
    client.process.command(do="manage", what=what, **more)
    answer = client.wait(("managed", "failed"))
    assert answer["event"] == "managed", answer
    return answer


def refusal(client: Client, what: str, **more: Any) -> str:
    client.process.command(do="manage", what=what, **more)
    return str(client.wait("failed", do="manage")["error"])


def state(simulator: Simulator, group: str) -> dict[str, Any]:
    found: dict[str, Any] = simulator.http.get(f"/groups/{group}").json()
    return found


def ranks(simulator: Simulator, group: str) -> dict[str, str]:
    return {one["number"]: one["rank"] for one in state(simulator, group)["participants"]}


@pytest.fixture
def others(friend: str) -> list[str]:
    return [f"{int(friend) + more}" for more in (1_000_000, 2_000_000)]


@pytest.fixture
def own(versatile: Client, friend: str) -> str:
    """A group that the client made, with a friend."""
    return str(manage(versatile, "create", subject="Ours", people=[friend])["group"])


@pytest.fixture
def group(simulator: Simulator, versatile: Client, friend: str) -> str:
    """A group of a friend's, with the client in it."""
    people = [versatile.number]
    made = simulator.post("/groups", subject="Theirs", creator=friend, participants=people)
    simulator.settled(versatile.number)
    return str(made["id"])


@pytest.mark.differs(whatsmeow="D9")
def test_creates_a_group(
    simulator: Simulator, versatile: Client, friend: str, others: list[str]
) -> None:
    simulator.post(f"/contacts/{others[0]}", group_add="none")
    made = manage(versatile, "create", subject="Ours", people=[friend, others[0]])
    assert (made["subject"], made["admins"]) == ("Ours", [versatile.number])
    assert {friend, versatile.number} <= set(made["members"])
    assert ranks(simulator, made["group"]) == {friend: "member", versatile.number: "superadmin"}
    if versatile.kind == "neonize":
        assert made["errors"] == {others[0]: 403}
        assert len(made["codes"][others[0]]) == 16
    simulator.settled(versatile.number)
    versatile.send(made["group"], "welcome")
    until(lambda: simulator.texts(friend) == ["welcome"])


@pytest.mark.differs(whatsmeow="D9")
def test_changes_members(
    simulator: Simulator, versatile: Client, friend: str, own: str, others: list[str]
) -> None:
    def change(action: str, *people: str) -> dict[str, Any]:
        return manage(versatile, action, group=own, people=people)

    simulator.post(f"/contacts/{others[1]}", registered=False)
    added = change("add", *others, friend)
    expected: dict[str, Any] = {others[1]: 404, friend: 409}
    tryx = versatile.kind == "tryx"
    assert added["errors"] == (["404", "409"] if tryx else expected)
    change("promote", others[0])
    assert ranks(simulator, own)[others[0]] == "admin"
    change("demote", others[0])
    change("remove", friend)
    assert ranks(simulator, own) == {others[0]: "member", versatile.number: "superadmin"}
    shown = manage(versatile, "show", group=own)
    assert (shown["members"], shown["admins"]) == (
        sorted([others[0], versatile.number]),
        [versatile.number],
    )
    versatile.send(own, "to the rest")
    until(lambda: simulator.texts(others[0]) == ["to the rest"])
    assert simulator.texts(friend) == []
    simulator.settled(versatile.number)


@pytest.mark.differs(whatsmeow="D9")
def test_changes_texts_and_settings(simulator: Simulator, versatile: Client, own: str) -> None:
    manage(versatile, "subject", group=own, text="Renamed")
    for text in ("first", "second"):
        manage(versatile, "description", group=own, text=text)
    for setting in ("announcement", "locked"):
        manage(versatile, setting, group=own, on=True)
    expected = {
        "subject": "Renamed",
        "description": "second",
        "announcement": True,
        "locked": True,
    }
    found = state(simulator, own)
    assert {name: found[name] for name in expected} == expected
    shown = manage(versatile, "show", group=own)
    assert {name: shown[name] for name in expected} == expected
    for setting in ("announcement", "locked"):
        manage(versatile, setting, group=own, on=False)
        assert not state(simulator, own)[setting]
    simulator.settled(versatile.number)


@pytest.mark.differs(tryx="D9", whatsmeow="D9")
def test_hears_what_others_change(simulator: Simulator, versatile: Client, group: str) -> None:
    def notified(what: str) -> dict[str, Any]:
        return versatile.wait("changed", group=group, what=[what])

    me = versatile.number
    simulator.post(f"/groups/{group}", subject="Renamed", description="all", announcement=True)
    assert notified("subject")["text"] == "Renamed"
    assert notified("description")["text"] == "all"
    notified("announcement")
    simulator.post(f"/groups/{group}/participants", promote=[me])
    notified("promote")
    simulator.post(f"/groups/{group}/participants", demote=[me])
    notified("demote")
    simulator.post(f"/groups/{group}/invite", renew=True)
    notified("link")
    simulator.post(f"/groups/{group}/participants", remove=[me])
    notified("remove")
    assert "not participating" in refusal(versatile, "show", group=group)
    simulator.settled(me)


@pytest.mark.differs(whatsmeow="D9")
def test_is_refused_what_needs_an_administrator(
    simulator: Simulator, versatile: Client, friend: str, group: str
) -> None:
    assert "401" in refusal(versatile, "remove", group=group, people=[friend])
    assert "401" in refusal(versatile, "announcement", group=group, on=True)
    if versatile.kind == "neonize":
        assert "permission" in refusal(versatile, "link", group=group, renew=False)
    simulator.settled(versatile.number)


@pytest.mark.differs(whatsmeow="D9")
def test_joins_by_a_link_and_leaves(simulator: Simulator, versatile: Client, friend: str) -> None:
    made = simulator.post("/groups", subject="Open", creator=friend)["id"]
    link = simulator.post(f"/groups/{made}/invite")["link"]
    assert manage(versatile, "see", link=link)["subject"] == "Open"
    assert manage(versatile, "join", link=link)["joined"] == made
    assert versatile.number in ranks(simulator, made)
    simulator.say(friend, made, "you are in")
    versatile.wait("message", text="you are in")
    manage(versatile, "leave", group=made)
    assert ranks(simulator, made) == {friend: "superadmin"}
    simulator.post(f"/groups/{made}/invite", renew=True)
    assert "revoked" in refusal(versatile, "see", link=link) or versatile.kind == "tryx"
    simulator.settled(versatile.number)


@pytest.mark.differs(whatsmeow="D9")
def test_accepts_a_private_invite(simulator: Simulator, versatile: Client, friend: str) -> None:
    made = simulator.post("/groups", subject="Closed", creator=friend)["id"]
    private = simulator.post(f"/groups/{made}/invite", number=versatile.number)
    simulator.say(friend, versatile.number, "come in", type="invite", group=made, **private)
    manage(versatile, "accept", group=made, by=friend, **private)
    assert versatile.number in ranks(simulator, made)
    simulator.say(friend, made, "you are in")
    versatile.wait("message", text="you are in")
    simulator.settled(versatile.number)


@pytest.mark.differs(whatsmeow="D9")
def test_lets_people_in_by_its_link(
    simulator: Simulator, versatile: Client, friend: str, own: str, others: list[str]
) -> None:
    link = manage(versatile, "link", group=own, renew=False)["link"]
    join = {"code": link.rpartition("/")[2]}
    assert simulator.post(f"/groups/{own}/join", number=others[0], **join)["joined"]
    simulator.post(f"/groups/{own}", membership_approval=True, by=versatile.number)
    assert not simulator.post(f"/groups/{own}/join", number=others[1], **join)["joined"]
    assert len(manage(versatile, "waiting", group=own)["waiting"]) == 1
    assert manage(versatile, "link", group=own, renew=True)["link"] != link
    assert set(ranks(simulator, own)) == {friend, others[0], versatile.number}
    simulator.settled(versatile.number)


@pytest.mark.differs(whatsmeow="D9")
def test_sets_and_reads_pictures(
    simulator: Simulator, versatile: Client, friend: str, own: str
) -> None:
    written = base64.b64encode(JPEG).decode()
    trust = ssl.create_default_context(cafile=simulator.media_authority)
    id_ = manage(versatile, "picture", group=own, data=written)["id"]
    assert state(simulator, own)["picture"] == id_
    simulator.post(f"/groups/{own}", picture=None)
    id_ = simulator.post(f"/groups/{own}", picture=written)["picture"]
    versatile.wait("picture", who=own)
    mine = manage(versatile, "own picture", data=written)["id"]
    assert simulator.http.get(f"/contacts/{versatile.number}/profile").json()["picture"] == mine
    simulator.say(friend, versatile.number, "look at me")
    versatile.wait("message", text="look at me")
    theirs = simulator.post(f"/contacts/{friend}/profile", picture=written)["picture"]
    versatile.wait("picture", who=f"{friend}@s.whatsapp.net")
    for who, known in ((friend, theirs), (own, id_)):
        for preview in (False, True):
            found = manage(versatile, "picture of", who=who, preview=preview)
            assert found["id"] == known
            assert httpx.get(found["url"], verify=trust).content == JPEG
    simulator.post(f"/contacts/{friend}", picture_shown="none")
    word = "hidden" if versatile.kind == "neonize" else "not found"
    assert word in refusal(versatile, "picture of", who=friend, preview=False)
    simulator.settled(versatile.number)


@pytest.mark.differs(whatsmeow="D9")
def test_sets_its_status_text(simulator: Simulator, versatile: Client) -> None:
    manage(versatile, "about", text=f"about {versatile.kind}")
    shown = simulator.http.get(f"/contacts/{versatile.number}/profile").json()
    assert shown["about"] == f"about {versatile.kind}"


@pytest.mark.differs(whatsmeow="D9")
def test_blocks_a_contact(simulator: Simulator, versatile: Client, friend: str) -> None:
    simulator.say(friend, versatile.number, "before")
    versatile.wait("message", text="before")
    lid = f"{simulator.contact(friend)['lid']}@lid"
    assert lid in manage(versatile, "block", who=friend)["blocked"]
    said = simulator.say(friend, versatile.number, "blocked")
    assert lid not in manage(versatile, "unblock", who=friend)["blocked"]
    simulator.say(friend, versatile.number, "after")
    versatile.wait("message", text="after")
    assert not simulator.said(friend, said)["received"]
    simulator.post(f"/contacts/{versatile.number}/block", contact=friend)
    if versatile.kind == "neonize":
        assert versatile.wait("blocklist")["changes"] == 1
    simulator.post(f"/contacts/{versatile.number}/block", contact=friend, blocked=False)
    simulator.settled(versatile.number)
