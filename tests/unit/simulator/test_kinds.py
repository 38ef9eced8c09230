"""Each kind of message: as a contact says it, and as an inbox shows what a client sent."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from simulator.contacts import message_content, message_secrets
from simulator.contacts.message_content import Target
from simulator.contacts.message_secrets import VOTE, AddOn, chosen
from simulator.contacts.message_secrets import vote as vote_for
from simulator.wire.proto_schema import Message
from simulator.wire.protocol_library import JID, Node

if TYPE_CHECKING:
    import httpx

    from tests.unit.simulator.device import Device

NUMBER, FRIEND = "15550100001", "15550100002"
SAY = f"/contacts/{FRIEND}/say"
SECRET = bytes(range(32))


async def say(http: httpx.AsyncClient, path: str = SAY, **body: Any) -> str:
    answer = await http.post(path, json={"to": NUMBER} | body)
    assert answer.is_success, answer.text
    return str(answer.json()["id"])


async def sent(device: Device, message: Any, message_id: str) -> dict[str, Any]:
    """Returns the inbox entry of a message of the device."""
    await device.send(await device.message(FRIEND, message, message_id))
    await device.next("ack")
    items = device.world.inbox.received(FRIEND)
    return next(item for item in items if item["id"] == message_id)


def mine(message_id: str, text: str = "first") -> Target:
    """A message of the account's own in its chat with the contact."""
    return Target(message_id, JID(FRIEND), JID(NUMBER), True, False, message_content.text(text))


@pytest.mark.parametrize("seconds", [86_400, 0])
async def test_a_contact_pins_a_message(
    device: Device, http: httpx.AsyncClient, seconds: int
) -> None:
    await device.send(await device.message(FRIEND, "the address", "M1"))
    await device.next("ack")
    await say(http, type="pin", target="M1", seconds=seconds)
    stanza = await device.next("message")
    assert (stanza.attrs["type"], stanza.attrs["edit"]) == ("text", "2")
    assert stanza.get_child("enc").attrs["decrypt-fail"] == "hide"
    message = device.message_in(stanza)
    pin = message.pin_in_chat_message
    assert (pin.key.id, pin.type) == ("M1", 1 if seconds else 2)
    assert message.message_context_info.message_add_on_duration_in_secs == seconds


@pytest.mark.parametrize(
    ("kind", "seconds", "shown"),
    [
        (1, 604_800, "pin"),
        (2, 0, "pin"),
        (1, 0, "unknown"),
        (2, 86_400, "unknown"),
        (0, 1, "unknown"),
    ],
)
async def test_an_app_shows_a_pin_for_a_time_and_its_end(
    device: Device, kind: int, seconds: int, shown: str
) -> None:
    message = message_content.pin(mine("M1"), seconds)
    message.pin_in_chat_message.type = kind
    item = await sent(device, message, "M2")
    assert item["type"] == shown
    if shown == "pin":
        assert item["content"]["seconds"] == seconds
        assert item["content"]["target"]["id"] == "M1"


async def test_a_contact_replies(device: Device, http: httpx.AsyncClient) -> None:
    await device.send(await device.message(FRIEND, "how are you?", "M1"))
    await device.next("ack")
    await say(http, text="fine", reply_to="M1")
    stanza = await device.next("message")
    reply = device.message_in(stanza).extended_text_message
    assert (stanza.attrs["type"], reply.text) == ("text", "fine")
    assert "decrypt-fail" not in stanza.get_child("enc").attrs
    assert reply.context_info.stanza_id == "M1"
    assert reply.context_info.participant == str(JID(NUMBER))
    assert reply.context_info.quoted_message.conversation == "how are you?"


@pytest.mark.parametrize("addressing", ["pn", "lid"])
async def test_a_contact_reacts(device: Device, http: httpx.AsyncClient, addressing: str) -> None:
    await device.send(await device.message(FRIEND, "hello", "M1"))
    await device.next("ack")
    account = device.world.people.named(NUMBER).addresses()[addressing == "lid"]
    for emoji, edit in (("👍", None), ("", "7")):
        await say(http, type="reaction", target="M1", text=emoji, addressing=addressing)
        stanza = await device.next("message")
        assert (stanza.attrs["type"], stanza.attrs.get("edit")) == ("reaction", edit)
        assert stanza.get_child("enc").attrs["decrypt-fail"] == "hide"
        reaction = device.message_in(stanza).reaction_message
        assert (reaction.text, reaction.key.id) == (emoji, "M1")
        assert (reaction.key.from_me, reaction.key.remote_jid) == (False, account)
        assert reaction.sender_timestamp_ms > 0


@pytest.mark.parametrize("wrapped", [True, False])
async def test_a_contact_edits_and_deletes(
    device: Device, http: httpx.AsyncClient, wrapped: bool
) -> None:
    message_id = await say(http, text="frist")
    await device.next("message")
    await say(http, type="edit", target=message_id, text="first", wrapped=wrapped)
    stanza = await device.next("message")
    assert (stanza.attrs["type"], stanza.attrs["edit"]) == ("text", "1")
    message = device.message_in(stanza)
    assert message.HasField("edited_message") is wrapped
    part = (message.edited_message.message if wrapped else message).protocol_message
    assert part.type == part.MESSAGE_EDIT
    assert (part.key.id, part.key.from_me) == (message_id, True)
    assert part.edited_message.conversation == "first"
    await say(http, type="delete", target=message_id)
    stanza = await device.next("message")
    assert stanza.attrs["edit"] == "7"
    part = device.message_in(stanza).protocol_message
    assert (part.type, part.key.id, part.key.from_me) == (part.REVOKE, message_id, True)


async def test_a_contact_shares_a_place_and_a_card(device: Device, http: httpx.AsyncClient) -> None:
    await say(http, type="location", latitude=-3.5, longitude=12, name="Here", address="Road 1")
    stanza = await device.next("message")
    assert stanza.get_child("enc").attrs["mediatype"] == "location"
    place = device.message_in(stanza).location_message
    assert (place.degrees_latitude, place.degrees_longitude) == (-3.5, 12.0)
    assert (place.name, place.address) == ("Here", "Road 1")
    await say(http, type="contact", name="Ana", phone="+15550100003")
    stanza = await device.next("message")
    assert stanza.get_child("enc").attrs["mediatype"] == "vcard"
    card = device.message_in(stanza).contact_message
    assert card.display_name == "Ana"
    assert "waid=15550100003:+15550100003" in card.vcard


@pytest.mark.parametrize("addressing", ["pn", "lid"])
async def test_a_contacts_poll_and_the_votes_in_it(
    device: Device, http: httpx.AsyncClient, addressing: str
) -> None:
    options = ["red", "blue", "green"]
    poll_id = await say(
        http, type="poll", text="Which?", options=options, selectable=0, addressing=addressing
    )
    stanza = await device.next("message")
    assert stanza.attrs["type"] == "poll"
    message = device.message_in(stanza)
    asked = message.poll_creation_message
    assert [option.option_name for option in asked.options] == options
    assert (asked.name, asked.selectable_options_count) == ("Which?", 0)
    friend, account = (device.world.people.named(one) for one in (FRIEND, NUMBER))
    voter, author = (one.addresses()[addressing == "lid"] for one in (account, friend))
    target = Target(poll_id, JID(FRIEND), JID(FRIEND), False, False, None)
    secret = message.message_context_info.message_secret
    ballot = AddOn(VOTE, poll_id, author, voter)
    vote = ballot.sealed(secret, vote_for(["green", "red"]))
    item = await sent(device, message_secrets.vote_message(target, *vote), "V1")
    assert (item["type"], item["content"]["options"]) == ("vote", ["red", "green"])
    assert item["content"]["target"]["id"] == poll_id
    forged = ballot.sealed(SECRET, vote_for(["red"]))
    item = await sent(device, message_secrets.vote_message(target, *forged), "V2")
    assert item["content"]["options"] is None


async def test_a_contact_votes(device: Device, http: httpx.AsyncClient) -> None:
    poll = message_content.poll("Which?", ["red", "blue"], 1, SECRET)
    assert poll.HasField("poll_creation_message_v3")
    item = await sent(device, poll, "P1")
    assert (item["type"], item["text"]) == ("poll", "Which?")
    assert item["content"] == {"options": ["red", "blue"], "selectable": 1}
    refused = await http.post(
        f"/contacts/{FRIEND}/say",
        json={"to": NUMBER, "type": "vote", "target": "P1", "options": ["pink"]},
    )
    assert refused.json()["code"] == "bad_options"
    await say(http, type="vote", target="P1", options=["blue"])
    stanza = await device.next("message")
    assert stanza.attrs["type"] == "poll"
    update = device.message_in(stanza).poll_update_message
    assert (update.poll_creation_message_key.id, update.poll_creation_message_key.from_me) == (
        "P1",
        False,
    )
    ballot = AddOn(VOTE, "P1", str(JID(NUMBER)), str(JID(FRIEND)))
    assert abs(update.sender_timestamp_ms - time.time() * 1000) < 60_000
    vote = update.vote
    plaintext = ballot.opened(SECRET, vote.enc_payload, vote.enc_iv)
    assert plaintext is not None
    assert chosen(plaintext, ["red", "blue"]) == ["blue"]


@pytest.mark.parametrize("addressing", ["pn", "lid"])
async def test_a_contact_edits_under_the_messages_secret(
    device: Device, http: httpx.AsyncClient, addressing: str
) -> None:
    """As phones do it since 2026: the text is in a ciphertext within the ciphertext."""
    message_id = await say(http, text="frist", secret=True, addressing=addressing)
    secret = device.message_in(await device.next("message")).message_context_info.message_secret
    assert len(secret) == 32
    edit_id = await say(
        http,
        type="edit",
        target=message_id,
        text="first",
        encrypted=True,
        addressing=addressing,
    )
    stanza = await device.next("message")
    assert (stanza.attrs["id"], stanza.attrs["edit"]) == (edit_id, "1")
    assert stanza.get_child("enc").attrs["decrypt-fail"] == "hide"
    part = device.message_in(stanza).secret_encrypted_message
    assert (part.secret_enc_type, part.target_message_key.id) == (2, message_id)
    assert b"first" not in part.enc_payload
    author = device.world.people.named(FRIEND).addresses()[addressing == "lid"]
    info = f"{message_id}{author}{author}Message Edit".encode()
    key = HKDF(SHA256(), 32, None, info).derive(secret)
    opened = AESGCM(key).decrypt(part.enc_iv, part.enc_payload, None)
    edited = Message.FromString(opened).protocol_message
    assert (edited.key.id, edited.edited_message.conversation) == (message_id, "first")
    (_, said) = (await http.get(f"/contacts/{FRIEND}/said")).json()["items"]
    assert (said["type"], said["content"]["target"]["id"]) == ("edit", message_id)


async def test_an_encrypted_edit_needs_the_speakers_own_message_with_a_secret(
    device: Device, http: httpx.AsyncClient
) -> None:
    theirs = Message(conversation="mine")
    theirs.message_context_info.message_secret = SECRET
    await sent(device, theirs, "M1")
    for target in (await say(http, text="no secret"), "M1"):
        answer = await http.post(
            SAY,
            json={"to": NUMBER, "type": "edit", "target": target, "text": "x", "encrypted": True},
        )
        assert (answer.status_code, answer.json()["code"]) == (409, "no_secret")


async def test_a_vote_needs_a_poll(device: Device, http: httpx.AsyncClient) -> None:
    message_id = await say(http, text="no poll")
    answer = await http.post(
        f"/contacts/{FRIEND}/say",
        json={"to": NUMBER, "type": "vote", "target": message_id, "options": []},
    )
    assert (answer.status_code, answer.json()["code"]) == (409, "no_poll")


async def test_the_phone_reacts_and_its_companion_gets_the_copy(
    device: Device, http: httpx.AsyncClient
) -> None:
    message_id = await say(http, text="hello")
    await device.next("message")
    path = f"/phones/{NUMBER}/say"
    await say(http, path, to=FRIEND, type="reaction", target=message_id, text="❤")
    stanza = await device.next("message")
    copy = device.message_in(stanza).device_sent_message
    assert stanza.attrs["type"] == "reaction"
    assert copy.destination_jid == str(JID(FRIEND))
    assert (copy.message.reaction_message.text, copy.message.reaction_message.key.id) == (
        "❤",
        message_id,
    )
    (item,) = device.world.inbox.received(FRIEND)
    assert (item["type"], item["text"]) == ("reaction", "❤")


@pytest.mark.parametrize(
    ("message", "kind", "text", "fields"),
    [
        (message_content.reaction(mine("M0"), "👍"), "reaction", "👍", {}),
        (message_content.reaction(mine("M0"), ""), "reaction", None, {}),
        (message_content.edit(mine("M0"), "new", wrapped=True), "edit", "new", {"to": "text"}),
        (message_content.edit(mine("M0"), "new", wrapped=False), "edit", "new", {"to": "text"}),
        (message_content.delete(mine("M0")), "delete", None, {}),
    ],
)
async def test_what_is_about_another_message_says_which(
    device: Device, message: Any, kind: str, text: str | None, fields: dict[str, Any]
) -> None:
    item = await sent(device, message, "M1")
    assert (item["type"], item["text"]) == (kind, text)
    target = {"id": "M0", "chat": str(JID(FRIEND)), "from_me": True}
    assert item["content"] == {"target": target, **fields}


async def test_an_inbox_shows_what_a_client_sent(device: Device) -> None:
    item = await sent(device, message_content.location(1.5, 2.5, "Here", ""), "M1")
    assert (item["type"], item["text"]) == ("location", None)
    assert item["content"] == {"latitude": 1.5, "longitude": 2.5, "name": "Here"}
    card = message_content.vcard_of("Ana", "15550100003")
    item = await sent(device, message_content.contact("Ana", card), "M2")
    assert (item["type"], item["content"]) == ("contact", {"name": "Ana", "vcard": card})
    item = await sent(
        device, message_content.quoting(message_content.text("yes"), mine("M2")), "M3"
    )
    assert (item["type"], item["text"]) == ("text", "yes")
    quoted = {"id": "M2", "participant": str(JID(NUMBER)), "type": "text", "text": "first"}
    assert item["content"] == {"reply_to": quoted}
    ephemeral = Message()
    ephemeral.ephemeral_message.message.CopyFrom(message_content.text("gone soon"))
    item = await sent(device, ephemeral, "M4")
    assert (item["type"], item["text"], item["content"]) == ("text", "gone soon", {})


async def test_a_retry_brings_the_same_kind_again(device: Device, http: httpx.AsyncClient) -> None:
    message_id = await say(http, type="location", latitude=1, longitude=2)
    lost = await device.next("message")
    retry = Node("retry", {"count": "1", "id": message_id, "t": "1", "v": "1"})
    attrs = {"to": lost.attrs["from"], "id": message_id, "type": "retry"}
    await device.send(Node("receipt", attrs, [retry]))
    again = await device.next("message")
    assert device.message_in(again).location_message.degrees_longitude == 2.0
    assert again.get_child("enc").attrs["mediatype"] == "location"


async def test_said_shows_the_kind(device: Device, http: httpx.AsyncClient) -> None:
    await say(http, text="hello")
    await say(http, type="location", latitude=1, longitude=2)
    said = (await http.get(f"/contacts/{FRIEND}/said")).json()["items"]
    assert [(one["type"], one["text"]) for one in said] == [("text", "hello"), ("location", None)]
    assert said[1]["content"] == {"latitude": 1.0, "longitude": 2.0}


async def test_a_contact_invites_to_a_group(device: Device, http: httpx.AsyncClient) -> None:
    group = (await http.post("/groups", json={"subject": "Us", "creator": FRIEND})).json()["id"]
    private = (await http.post(f"/groups/{group}/invite", json={"number": NUMBER})).json()
    await say(http, type="invite", group=group, text="come in", **private)
    stanza = await device.next("message")
    message = device.message_in(stanza)
    invite = message.group_invite_message
    assert (stanza.attrs["type"], invite.group_jid, invite.group_name) == ("text", group, "Us")
    assert (invite.invite_code, invite.invite_expiration) == (private["code"], private["expires"])
    item = await sent(device, message, "M1")
    assert (item["type"], item["text"]) == ("invite", "come in")
    assert item["content"] == {"group": group, "name": "Us", **private}
