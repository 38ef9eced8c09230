"""Derives the attributes of a message stanza and of its ciphertext from the message that they carry (pure).

After whatsmeow `send.go` (getTypeFromMessage, getMediaTypeFromMessage, getEditAttribute) and whatsapp-rust `send.rs`.
"""

from __future__ import annotations

from typing import Any

from simulator.contacts.message_content import EDIT, poll_in, revokes, unwrapped


def attributes(message: Any) -> dict[str, str]:
    """Returns the attributes of a message stanza for its content: `type`, and `edit` for a change of another message."""
    message = unwrapped(message)
    attrs = {"type": "text"}
    if message.HasField("reaction_message"):
        attrs["type"] = "reaction"
        if not message.reaction_message.text:
            attrs["edit"] = "7"
    elif poll_in(message) is not None or message.HasField("poll_update_message"):
        attrs["type"] = "poll"
    elif media_type(message):
        attrs["type"] = "media"
    elif message.HasField("secret_encrypted_message"):
        attrs["edit"] = "1"
    elif message.HasField("pin_in_chat_message"):
        attrs["edit"] = "2"
    elif message.HasField("protocol_message"):
        part = message.protocol_message
        if part.type == EDIT:
            attrs["edit"] = "1"
        elif revokes(part):
            attrs["edit"] = "7" if part.key.from_me else "8"
    return attrs


def sealed_attributes(message: Any) -> dict[str, str]:
    """Returns the attributes of `<enc>` for its content: `mediatype`, and `decrypt-fail` for dispensable messages."""
    attrs, media_kind = {}, media_type(message)
    if media_kind:
        attrs["mediatype"] = media_kind
    shown = attributes(message)
    voted = unwrapped(message).HasField("poll_update_message")
    if "edit" in shown or shown["type"] == "reaction" or voted:
        attrs["decrypt-fail"] = "hide"
    return attrs


def media_type(message: Any) -> str:
    """Returns the `mediatype` of the ciphertext; empty without media."""
    message = unwrapped(message)
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
