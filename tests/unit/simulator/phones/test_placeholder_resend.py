"""Messages that come without their ciphertext, and the phone that hands them over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from simulator.wire.proto_schema import Message, WebMessageInfo
from simulator.wire.protocol_library import JID, Node

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import httpx

    from tests.unit.simulator.device import Device

ACCOUNT, FRIEND = "15550100001", "15550100002"
SAY = f"/contacts/{FRIEND}/say"


async def say(http: httpx.AsyncClient, **body: Any) -> str:
    answer = await http.post(SAY, json={"to": ACCOUNT, "text": "from an ad"} | body)
    assert answer.is_success, answer.text
    return str(answer.json()["id"])


async def ask(
    device: Device, *ids: str, kind: int = 4, asked_of: str = ACCOUNT, member: str = ""
) -> None:
    """Asks the account's phone for the messages, of groups by this member, as a peer message `ASKED`."""
    request = Message()
    request.protocol_message.type = 16
    part = request.protocol_message.peer_data_operation_request_message
    part.peer_data_operation_request_type = kind
    for one in ids:
        key = part.placeholder_message_resend_request.add().message_key
        key.remote_jid, key.from_me, key.id = str(JID(FRIEND)), False, one
        if member:
            key.participant = member
    to = await device.part(asked_of, 0, request)
    enc = to.get_child("enc")
    attrs = {"to": JID(asked_of), "id": "ASKED", "type": "text", "category": "peer"}
    identity = Node("device-identity", {}, device.identity_bytes)
    await device.send(Node("message", attrs, [enc, identity]))
    assert "error" not in (await device.next("ack")).attrs


async def answered(device: Device) -> list[Any]:
    """The messages that the phone hands over; None for one that it does not have."""
    stanza = await device.next("message")
    assert stanza.attrs["category"] == "peer"
    assert "recipient" not in stanza.attrs
    part = device.message_in(stanza).protocol_message
    assert part.type == 17
    response = part.peer_data_operation_request_response_message
    assert (response.peer_data_operation_request_type, response.stanza_id) == (4, "ASKED")
    return [
        WebMessageInfo.FromString(result.placeholder_message_resend_response.web_message_info_bytes)
        if result.HasField("placeholder_message_resend_response")
        else None
        for result in response.peer_data_operation_result
    ]


def parts(stanza: Any) -> list[tuple[str, dict[str, str]]] | None:
    """The tags and attributes of a stanza's parts; None where it has no content."""
    if stanza.content is None:
        return None
    return [(child.tag, child.attrs) for child in stanza.get_children()]


KINDS: Final = pytest.mark.parametrize(
    ("unavailable", "expected"),
    [
        ("plain", [("unavailable", {})]),
        ("view_once", [("unavailable", {"type": "view_once"})]),
        ("hosted", [("unavailable", {"hosted": "true"})]),
        ("absent", None),
    ],
)


@KINDS
async def test_it_comes_without_a_ciphertext_and_the_phone_has_it(
    device: Device, http: httpx.AsyncClient, unavailable: str, expected: list[Any] | None
) -> None:
    message_id = await say(http, unavailable=unavailable)
    stanza = await device.next("message")
    assert (stanza.attrs["id"], stanza.attrs["type"]) == (message_id, "text")
    assert parts(stanza) == expected
    await ask(device, message_id)
    (info,) = await answered(device)
    assert info.message.conversation == "from an ad"
    assert (info.key.id, info.key.remote_jid, info.key.from_me) == (
        message_id,
        str(JID(FRIEND)),
        False,
    )
    assert info.push_name == "Person 0002"
    assert info.message_timestamp > 0
    account = (await http.get(f"/accounts/{ACCOUNT}")).json()
    assert account["placeholder_resends"] == 1


async def test_the_sender_encrypts_it_for_who_asks_it(
    device: Device, http: httpx.AsyncClient
) -> None:
    message_id = await say(http, unavailable="plain")
    stanza = await device.next("message")
    attrs = {"to": stanza.attrs["from"], "id": message_id, "type": "retry"}
    retry = Node("retry", {"count": "1", "id": message_id, "t": "1", "v": "1"})
    await device.send(Node("receipt", attrs, [retry]))
    assert device.decrypt(await device.next("message")) == "from an ad"


async def test_a_phone_has_the_messages_of_its_chats_alone(
    device: Device, http: httpx.AsyncClient, paired: Callable[[str], Awaitable[Device]]
) -> None:
    await paired("15550100003")
    other = (await http.post(SAY, json={"to": "15550100003", "text": "to another"})).json()["id"]
    message_id = await say(http)
    await device.next("message")
    await ask(device, other, "unknown", message_id)
    first, second, third = await answered(device)
    assert (first, second) == (None, None)
    assert third.message.conversation == "from an ad"


async def test_a_phone_has_the_messages_of_its_groups_alone(
    device: Device, http: httpx.AsyncClient, paired: Callable[[str], Awaitable[Device]]
) -> None:
    await paired("15550100003")
    groups = [await group_of(http, member) for member in ("15550100003", ACCOUNT)]
    said, by = [await say(http, to=group) for group in groups], str(JID(FRIEND))
    await device.next("message")
    await ask(device, *said, member=by)
    first, second = await answered(device)
    assert first is None
    assert (second.message.conversation, second.participant) == ("from an ad", by)


async def test_a_phone_that_has_nothing(device: Device, http: httpx.AsyncClient) -> None:
    changed = await http.post(f"/phones/{ACCOUNT}", json={"resends": False})
    assert changed.json()["resends"] is False
    assert changed.json()["linking"] == "plain"
    message_id = await say(http, unavailable="plain")
    await device.next("message")
    await ask(device, message_id)
    assert await answered(device) == [None]
    await http.post(f"/phones/{ACCOUNT}", json={"resends": True})
    await ask(device, message_id)
    assert [info.key.id for info in await answered(device)] == [message_id]


async def test_other_requests_are_not_answered(device: Device, http: httpx.AsyncClient) -> None:
    await ask(device, await say(http, unavailable="plain"), kind=3)
    assert (await http.get(f"/accounts/{ACCOUNT}")).json()["placeholder_resends"] == 0


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        (SAY, {"to": ACCOUNT, "text": "x", "unavailable": "odd"}, "bad_unavailable"),
        (SAY, {"to": ACCOUNT, "text": "x", "unavailable": 1}, "wrong_type"),
        (f"/phones/{ACCOUNT}", {}, "missing_field"),
        (f"/phones/{ACCOUNT}", {"resends": "no"}, "wrong_type"),
        (f"/phones/{ACCOUNT}", {"resends": 1, "linking": "passkey"}, "wrong_type"),
    ],
)
async def test_requests_that_make_no_sense(
    http: httpx.AsyncClient, path: str, body: dict[str, Any], code: str
) -> None:
    answer = await http.post(path, json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert (await http.get(f"/phones/{ACCOUNT}")).json()["linking"] == "plain"


@KINDS
async def test_it_comes_to_a_group_without_a_ciphertext(
    device: Device,
    http: httpx.AsyncClient,
    paired: Callable[[str], Awaitable[Device]],
    unavailable: str,
    expected: list[Any] | None,
) -> None:
    """The phone of each member has it; the speaker's own companion gets the ciphertext."""
    group, own = await group_of(http, device.number), await paired(FRIEND)
    message_id = await say(http, to=group, unavailable=unavailable)
    stanza = await device.next("message")
    assert (str(stanza.attrs["from"]), stanza.attrs["id"]) == (group, message_id)
    assert parts(stanza) == expected
    copy = await own.next("message")
    assert copy.get_child("enc").attrs["type"] == "pkmsg"
    await ask(device, message_id, member=str(JID(FRIEND)))
    (info,) = await answered(device)
    assert info.message.conversation == "from an ad"


@pytest.mark.parametrize("error", [{}, {"error": "488"}])
@pytest.mark.parametrize("unavailable", ["plain", "absent"])
async def test_an_ack_settles_it(
    device: Device, http: httpx.AsyncClient, unavailable: str, error: dict[str, str]
) -> None:
    """With an error or without: clients differ in it."""
    await say(http, unavailable=unavailable)
    stanza = await device.next("message")
    (owed,) = (await http.get("/unanswered")).json()["open"]
    assert owed["id"] == stanza.attrs["id"]
    attrs = {"class": "message", "id": stanza.attrs["id"], "to": stanza.attrs["from"]}
    await device.send(Node("ack", attrs | error))
    await device.query("w:p", "get")  # by now the server has the ack
    assert (await http.get("/unanswered")).json()["open"] == []


async def group_of(http: httpx.AsyncClient, number: str) -> str:
    """Makes a group of the friend and this person; returns its id."""
    made = {"subject": "Us", "creator": FRIEND, "participants": [number]}
    return str((await http.post("/groups", json=made)).json()["id"])
