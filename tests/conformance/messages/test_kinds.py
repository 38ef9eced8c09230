"""Kinds of message both ways: as a contact sees what a client sends, and the other way round."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Any

import pytest

from tests.conformance.processes import FOREIGN, until
from tests.media_samples import film

if TYPE_CHECKING:
    from tests.conformance.processes import Client, Simulator

MEDIA = ("image", "video", "audio", "document", "sticker")
VCARD = "BEGIN:VCARD\nVERSION:3.0\nFN:Ana\nTEL;waid=15550100003:+15550100003\nEND:VCARD"


def hashed(option: str) -> str:
    return hashlib.sha256(option.encode()).hexdigest()


def said(simulator: Simulator, friend: str, client: Client, kind: str, **more: Any) -> str:
    return simulator.say(friend, client.number, more.pop("text", "?"), type=kind, **more)


@pytest.mark.differs(tryx="D9")
def test_replies(simulator: Simulator, versatile: Client, friend: str) -> None:
    asked = simulator.say(friend, versatile.number, "coming?")
    versatile.wait("message", id=asked)
    reply = simulator.item(friend, versatile.say(friend, "text", text="yes", reply_to=asked))
    assert (reply["type"], reply["text"]) == ("text", "yes")
    assert reply["content"]["reply_to"]["id"] == asked
    assert reply["content"]["reply_to"]["text"] == "coming?"
    simulator.say(friend, versatile.number, "good", reply_to=reply["id"])
    assert versatile.wait("message", text="good")["reply_to"] == reply["id"]


@pytest.mark.differs(tryx="D9")
def test_reacts(simulator: Simulator, versatile: Client, friend: str) -> None:
    asked = simulator.say(friend, versatile.number, "look")
    versatile.wait("message", id=asked)
    for emoji in ("👍", ""):
        message_id = versatile.say(friend, "reaction", target=asked, text=emoji)
        item = simulator.item(friend, message_id)
        assert (item["type"], item["text"] or "") == ("reaction", emoji)
        assert item["content"]["target"]["id"] == asked
        assert item["content"]["target"]["from_me"] is False
    sent = versatile.send(friend, "and here")
    simulator.item(friend, sent)
    simulator.say(friend, versatile.number, "❤", type="reaction", target=sent)
    assert versatile.wait("message", type="reaction")["target"] == sent


@pytest.mark.differs(tryx="D9")
def test_edits_and_deletes(simulator: Simulator, versatile: Client, friend: str) -> None:
    sent = versatile.send(friend, "frist")
    edit = simulator.item(friend, versatile.say(friend, "edit", target=sent, text="first"))
    assert (edit["type"], edit["text"]) == ("edit", "first")
    assert (edit["content"]["target"]["id"], edit["content"]["target"]["from_me"]) == (sent, True)
    delete = simulator.item(friend, versatile.say(friend, "delete", target=sent))
    assert (delete["type"], delete["content"]["target"]["id"]) == ("delete", sent)


@pytest.mark.differs(tryx="D9")
@pytest.mark.parametrize("wrapped", [True, False], ids=["wrapped", "bare"])
def test_hears_an_edit_and_a_deletion(
    simulator: Simulator, versatile: Client, friend: str, wrapped: bool
) -> None:
    asked = simulator.say(friend, versatile.number, "frist")
    versatile.wait("message", id=asked)
    simulator.say(friend, versatile.number, "first", type="edit", target=asked, wrapped=wrapped)
    heard = versatile.wait("message", type="edit")
    assert (heard["text"], heard["target"]) == ("first", asked)
    simulator.post(f"/contacts/{friend}/say", to=versatile.number, type="delete", target=asked)
    assert versatile.wait("message", type="delete")["target"] == asked
    simulator.settled(versatile.number)


@pytest.mark.differs(tryx="D9", whatsmeow="D9")
def test_sets_a_timer(simulator: Simulator, versatile: Client, friend: str) -> None:
    versatile.process.command(do="timer", to=friend, seconds=86400)
    until(lambda: bool(simulator.inbox(friend)))
    (item,) = simulator.inbox(friend)
    assert (item["type"], item["content"]) == ("timer", {"seconds": 86400})


@pytest.mark.differs(tryx="D9")
def test_shares_a_place(simulator: Simulator, versatile: Client, friend: str) -> None:
    place = {"latitude": 38.7, "longitude": -9.1, "name": "Here"}
    item = simulator.item(friend, versatile.say(friend, "location", **place))
    assert (item["type"], item["content"]) == ("location", place)
    simulator.post(f"/contacts/{friend}/say", to=versatile.number, type="location", **place)
    heard = versatile.wait("message", type="location")
    assert (heard["place"], heard["text"]) == ([38.7, -9.1], "Here")


@pytest.mark.differs(tryx="D9")
def test_shares_a_card(simulator: Simulator, versatile: Client, friend: str) -> None:
    card = {"name": "Ana", "vcard": VCARD}
    item = simulator.item(friend, versatile.say(friend, "contact", **card))
    assert (item["type"], item["content"]) == ("contact", card)
    simulator.post(f"/contacts/{friend}/say", to=versatile.number, type="contact", **card)
    heard = versatile.wait("message", type="contact")
    assert (heard["text"], heard["vcard"]) == ("Ana", VCARD)


@pytest.mark.differs(tryx="D9")
@pytest.mark.parametrize("mode", ["pn", "lid"])
def test_polls_and_votes(simulator: Simulator, versatile: Client, friend: str, mode: str) -> None:
    simulator.post(f"/contacts/{friend}/addressing", mode=mode)
    simulator.say(friend, versatile.number, f"by {mode}")
    versatile.wait("message", text=f"by {mode}")
    options = ["red", "blue"]
    item = simulator.item(friend, versatile.say(friend, "poll", text="Which?", options=options))
    assert (item["type"], item["text"]) == ("poll", "Which?")
    assert item["content"] == {"options": options, "selectable": 1}
    simulator.post(
        f"/contacts/{friend}/say",
        to=versatile.number,
        type="vote",
        target=item["id"],
        options=["blue"],
    )
    heard = versatile.wait("message", type="vote")
    assert (heard["target"], heard["chosen"]) == (item["id"], [hashed("blue")])
    asked = simulator.post(
        f"/contacts/{friend}/say",
        to=versatile.number,
        type="poll",
        text="And which?",
        options=options,
    )["id"]
    assert versatile.wait("message", type="poll")["options"] == options
    vote = simulator.item(friend, versatile.say(friend, "vote", target=asked, options=["red"]))
    assert (vote["content"]["target"]["id"], vote["content"]["options"]) == (asked, ["red"])


@pytest.mark.differs(tryx="D9")
@pytest.mark.parametrize("media", MEDIA)
def test_sends_a_file(simulator: Simulator, versatile: Client, friend: str, media: str) -> None:
    data = film() if media == "video" else f"a file for {friend}".encode() * 1000
    more = {"text": "look"} if media in ("image", "video", "document") else {}
    encoded = base64.b64encode(data).decode()
    item = simulator.item(friend, versatile.say(friend, media, data=encoded, **more))
    assert (item["type"], item["text"]) == (media, more.get("text"))
    assert item["content"]["media"] == "ok"
    assert item["content"]["length"] == len(data)
    assert item["content"]["sha256"] == hashlib.sha256(data).hexdigest()


@pytest.mark.differs(tryx="D9")
@pytest.mark.parametrize("media", MEDIA)
def test_receives_a_file(simulator: Simulator, versatile: Client, friend: str, media: str) -> None:
    simulator.post(f"/contacts/{friend}/say", to=versatile.number, type=media, size=70_000)
    heard = versatile.wait("message", type=media)
    assert heard["length"] == 70_000
    versatile.process.command(do="download", id=heard["id"])
    down = versatile.wait("downloaded", id=heard["id"])
    (item,) = simulator.http.get(f"/contacts/{friend}/said").json()["items"]
    assert (down["sha256"], down["length"]) == (item["content"]["sha256"], 70_000)


@pytest.mark.differs(tryx="D9")
def test_finds_a_file_after_the_simulators_kill(
    simulator: Simulator, versatile: Client, friend: str
) -> None:
    """Where the files are does not change: a client asks for it once in an hour."""
    simulator.post(f"/contacts/{friend}/say", to=versatile.number, type="image", size=1000)
    heard = versatile.wait("message", type="image")
    before = simulator.http.get("/").json()["media_host"]
    simulator.kill()
    simulator.start()
    versatile.wait("connected", 40.0)
    assert simulator.http.get("/").json()["media_host"] == before
    versatile.process.command(do="download", id=heard["id"])
    assert versatile.wait("downloaded")["length"] == 1000


@pytest.mark.differs(tryx="D9", whatsmeow="D10")
@pytest.mark.parametrize("status", [404, 410])
def test_says_that_a_file_is_gone(
    simulator: Simulator, versatile: Client, friend: str, status: int
) -> None:
    simulator.post(f"/contacts/{friend}/say", to=versatile.number, type="image")
    heard = versatile.wait("message", type="image")
    simulator.post(f"/media/{heard['id']}", status=status)
    versatile.process.command(do="download", id=heard["id"])
    if versatile.kind not in FOREIGN:
        # It asked for the file by itself, and for another upload where that came too late.
        assert versatile.wait("downloaded", id=heard["id"])["length"] == heard["length"]
        return
    assert str(status) in versatile.wait("failed")["error"]
