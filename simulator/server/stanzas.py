"""Builds message and receipt stanzas that the server sends to companions; their attributes follow from the content.

Attributes after whatsmeow `send.go` (getTypeFromMessage, getMediaTypeFromMessage, getEditAttribute) and whatsapp-rust `send.rs`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simulator.contacts import message_content
from simulator.wire.protocol_library import LID_SERVER, PN_SERVER, Node, number_bytes, text_of

if TYPE_CHECKING:
    from simulator.contacts.people import Person
    from simulator.contacts.signal_endpoints import Bundle
    from simulator.server.groups.group import Group

TYPE_CURVE25519 = b"\x05"


def other(server: str) -> str:
    """Returns the server part of the other addressing mode."""
    return PN_SERVER if server == LID_SERVER else LID_SERVER


def carry_over(message: Any, stanza: Any, push_name: str) -> None:
    """Sets the kind and the edit of a client's message on the stanza that brings it to a companion."""
    stanza.attrs["type"] = text_of(message, "type") or "text"
    if "edit" in message.attrs:
        stanza.attrs["edit"] = message.attrs["edit"]
    stanza.attrs["notify"] = push_name


def message(
    sender: Person, device: int, message_id: str, content: list[Any], *, server: str, now: float
) -> Any:
    """Builds a message for its recipient.

    The sender is addressed by `server`, with the other address beside it.
    """
    attrs: dict[str, Any] = {
        "from": sender.address(server, device),
        "type": "text",
        "id": message_id,
        "t": int(now),
        "notify": sender.name,
    }
    if server == LID_SERVER:
        attrs["addressing_mode"] = "lid"
        attrs["sender_pn"] = sender.address(PN_SERVER)
    else:
        attrs["sender_lid"] = sender.address(LID_SERVER)
    return Node("message", attrs, content or None)


def group_message(
    group: Group, sender: Person, device: int, message_id: str, content: list[Any], *, now: float
) -> Any:
    """Builds a group message for a member's device, also for the sender's own other devices."""
    attrs: dict[str, Any] = {
        "from": group.address,
        "participant": sender.address(group.server, device),
        "type": "text",
        "id": message_id,
        "t": int(now),
        "notify": sender.name,
    }
    if group.server == LID_SERVER:
        attrs["addressing_mode"] = "lid"
        attrs["participant_pn"] = sender.address(PN_SERVER)
    else:
        attrs["addressing_mode"] = "pn"
        attrs["participant_lid"] = sender.address(LID_SERVER)
    return Node("message", attrs, content or None)


def own_message(
    owner: Person,
    device: int,
    chat: Person,
    message_id: str,
    content: list[Any],
    *,
    server: str,
    now: float,
) -> Any:
    """Builds the copy of a message that another device of the account sent to `chat`."""
    beside = "peer_recipient_pn" if server == LID_SERVER else "peer_recipient_lid"
    attrs: dict[str, Any] = {
        "from": owner.address(server, device),
        "recipient": chat.address(server),
        beside: chat.address(other(server)),
        "type": "text",
        "id": message_id,
        "t": int(now),
        "notify": owner.name,
    }
    if server == LID_SERVER:
        attrs["addressing_mode"] = "lid"
    return Node("message", attrs, content)


def peer_message(
    owner: Person, device: int, message_id: str, content: list[Any], *, server: str, now: float
) -> Any:
    """Builds a peer message from one device of an account to another, which no chat shows."""
    attrs: dict[str, Any] = {
        "from": owner.address(server, device),
        "type": "text",
        "id": message_id,
        "t": int(now),
        "notify": owner.name,
        "category": "peer",
    }
    if server == LID_SERVER:
        attrs["addressing_mode"] = "lid"
    return Node("message", attrs, content)


def enc(kind: str, sealed: bytes, count: int = 0, more: dict[str, str] | None = None) -> Any:
    """Builds `<enc>` with the attributes of its content; `count` is the number of the answered retry."""
    attrs: dict[str, Any] = {"v": "2", "type": kind, **(more or {})}
    if count:
        attrs["count"] = count
    return Node("enc", attrs, sealed)


def receipt(
    address: Any, message_id: str, kind: str, now: float, content: list[Any] | None = None
) -> Any:
    """Builds a receipt from `address`; an empty `kind` is a delivery."""
    attrs: dict[str, Any] = {"from": address, "id": message_id, "t": int(now)}
    if kind:
        attrs["type"] = kind
    return Node("receipt", attrs, content)


def retry_content(
    message_id: str,
    count: int,
    registration: int,
    now: float,
    *,
    keys: Bundle | None,
    adv: bytes = b"",
) -> list[Any]:
    """Builds the content of a retry receipt, with `keys` for a new session where they are given.

    A linked device (`adv`) adds its identity, signed by its phone, to the keys.
    """
    content = [
        Node("retry", {"count": count, "id": message_id, "t": int(now), "v": "1"}),
        Node("registration", {}, number_bytes(registration, 4)),
    ]
    if keys is not None:
        shown = [Node("device-identity", {}, adv)] if adv else []
        content.append(Node("keys", {}, [*bundle_keys(keys), *shown]))
    return content


def retry_count(receipt: Any) -> int:
    """Returns the count of a retry receipt, from 1; 0 where it is no number."""
    retry = receipt.get_child("retry")
    count = "1" if retry is None else str(retry.attrs.get("count", "1"))
    return int(count) if count.isascii() and count.isdecimal() else 0


def bundle_keys(bundle: Bundle) -> list[Any]:
    """Builds the keys of a bundle: type, identity, signed prekey, and the one-time prekey if there is one."""
    content = [
        Node("type", {}, TYPE_CURVE25519),
        Node("identity", {}, bundle.identity),
        Node(
            "skey",
            {},
            [
                Node("id", {}, number_bytes(bundle.skey_id, 3)),
                Node("value", {}, bundle.skey),
                Node("signature", {}, bundle.skey_signature),
            ],
        ),
    ]
    if bundle.prekey_id is not None and bundle.prekey is not None:
        content.append(
            Node(
                "key",
                {},
                [
                    Node("id", {}, number_bytes(bundle.prekey_id, 3)),
                    Node("value", {}, bundle.prekey),
                ],
            )
        )
    return content


def content_attributes(message: Any) -> dict[str, str]:
    """Returns the attributes of a message stanza for its content: `type`, and `edit` for a change of another message."""
    message = message_content.unwrapped(message)
    attrs = {"type": "text"}
    if message.HasField("reaction_message"):
        attrs["type"] = "reaction"
        if not message.reaction_message.text:
            attrs["edit"] = "7"
    elif message_content.poll_in(message) is not None or message.HasField("poll_update_message"):
        attrs["type"] = "poll"
    elif media_type(message):
        attrs["type"] = "media"
    elif message.HasField("secret_encrypted_message"):
        attrs["edit"] = "1"
    elif message.HasField("pin_in_chat_message"):
        attrs["edit"] = "2"
    elif message.HasField("protocol_message"):
        part = message.protocol_message
        if part.type == message_content.EDIT_TYPE:
            attrs["edit"] = "1"
        elif message_content.revokes(part):
            attrs["edit"] = "7" if part.key.from_me else "8"
    return attrs


def sealed_attributes(message: Any) -> dict[str, str]:
    """Returns the attributes of `<enc>` for its content: `mediatype`, and `decrypt-fail` for dispensable messages."""
    attrs, media_kind = {}, media_type(message)
    if media_kind:
        attrs["mediatype"] = media_kind
    shown = content_attributes(message)
    voted = message_content.unwrapped(message).HasField("poll_update_message")
    if "edit" in shown or shown["type"] == "reaction" or voted:
        attrs["decrypt-fail"] = "hide"
    return attrs


def media_type(message: Any) -> str:
    """Returns the `mediatype` of the ciphertext; empty without media."""
    message = message_content.unwrapped(message)
    if message.HasField("audio_message"):
        return "ptt" if message.audio_message.ptt else "audio"
    if message.HasField("video_message"):
        return "gif" if message.video_message.gif_playback else "video"
    for kind in ("image", "sticker", "document"):
        if message.HasField(f"{kind}_message"):
            return kind
    if message.HasField("contact_message"):
        return "vcard"
    return "location" if message.HasField("location_message") else ""
