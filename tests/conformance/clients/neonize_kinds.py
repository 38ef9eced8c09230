"""Kinds of message in neonize's words: what a command says, and what a message that came says."""

from __future__ import annotations

import base64
import hashlib
from typing import Any, Final

MEDIA: Final = ("image", "video", "audio", "document", "sticker")
_MIMETYPES: Final = {
    "image": "image/jpeg",
    "video": "video/mp4",
    "audio": "audio/ogg",
    "document": "text/plain",
    "sticker": "image/webp",
}


def address(to: str) -> Any:
    """A person by number, or a group by its whole address."""
    from neonize.utils import build_jid

    user, _, server = to.partition("@")
    return build_jid(user, server or "s.whatsapp.net")


def message(client: Any, command: dict[str, Any], seen: dict[str, Any]) -> Any:
    """The message that a `say` command describes; `seen` has what came, by id."""
    from neonize.proto.waE2E import WAWebProtobufsE2E_pb2 as e2e
    from neonize.utils.enum import VoteType

    kind, chat = command["type"], address(command["to"])
    target = command.get("target", "")
    sender = seen[target].Info.MessageSource.Sender if target in seen else client.get_me().JID
    if kind == "text":
        return client.build_reply_message(command["text"], seen[command["reply_to"]])
    if kind == "reaction":
        return client.build_reaction(chat, sender, target, command["text"])
    if kind == "edit":
        from neonize.builder import build_edit

        return build_edit(chat, target, e2e.Message(conversation=command["text"]))
    if kind == "delete":
        return client.build_revoke(chat, sender, target)
    if kind == "location":
        place = e2e.LocationMessage(
            degreesLatitude=command["latitude"],
            degreesLongitude=command["longitude"],
            name=command["name"],
        )
        return e2e.Message(locationMessage=place)
    if kind == "contact":
        card = e2e.ContactMessage(displayName=command["name"], vcard=command["vcard"])
        return e2e.Message(contactMessage=card)
    if kind == "poll":
        return client.build_poll_vote_creation(command["text"], command["options"], VoteType.SINGLE)
    if kind == "vote":
        return client.build_poll_vote(seen[target].Info, command["options"])
    return _file(client, kind, command)


def _file(client: Any, kind: str, command: dict[str, Any]) -> Any:
    from neonize.proto.waE2E import WAWebProtobufsE2E_pb2 as e2e
    from neonize.utils.enum import MediaType

    use = {"sticker": "image"}.get(kind, kind)
    uploaded = client.upload(
        base64.b64decode(command["data"]), getattr(MediaType, f"Media{use.capitalize()}")
    )
    part = getattr(e2e, f"{kind.capitalize()}Message")(
        URL=uploaded.url,
        directPath=uploaded.DirectPath,
        mediaKey=uploaded.MediaKey,
        fileEncSHA256=uploaded.FileEncSHA256,
        fileSHA256=uploaded.FileSHA256,
        fileLength=uploaded.FileLength,
        mimetype=_MIMETYPES[kind],
    )
    for name, field in (("text", "caption"), ("file_name", "fileName"), ("ptt", "PTT")):
        if name in command:
            setattr(part, field, command[name])
    return e2e.Message(**{f"{kind}Message": part})


def described(client: Any, came: Any) -> dict[str, Any]:
    """Returns the content of a message, in the words of `child.py`."""
    content = came.Message
    for wrapper in ("editedMessage", "documentWithCaptionMessage", "ephemeralMessage"):
        if content.HasField(wrapper):
            content = getattr(content, wrapper).message
    for kind in MEDIA:
        if content.HasField(f"{kind}Message"):
            part = getattr(content, f"{kind}Message")
            words = {"type": kind, "mimetype": part.mimetype, "length": part.fileLength}
            return words | {"text": getattr(part, "caption", "")}
    if content.HasField("reactionMessage"):
        part = content.reactionMessage
        return {"type": "reaction", "text": part.text, "target": part.key.ID}
    if content.HasField("locationMessage"):
        place = content.locationMessage
        return {
            "type": "location",
            "text": place.name,
            "place": [place.degreesLatitude, place.degreesLongitude],
        }
    if content.HasField("contactMessage"):
        part = content.contactMessage
        return {"type": "contact", "text": part.displayName, "vcard": part.vcard}
    return _poll(client, came, content) or _change(content) or _text(content)


def _poll(client: Any, came: Any, content: Any) -> dict[str, Any] | None:
    for name in ("pollCreationMessage", "pollCreationMessageV3"):
        if content.HasField(name):
            part = getattr(content, name)
            options = [option.optionName for option in part.options]
            return {"type": "poll", "text": part.name, "options": options}
    if content.HasField("pollUpdateMessage"):
        key = content.pollUpdateMessage.pollCreationMessageKey
        return {"type": "vote", "target": key.ID, "chosen": _chosen(client, came)}
    return None


def _text(content: Any) -> dict[str, Any]:
    extended = content.extendedTextMessage
    words = {"type": "text", "text": content.conversation or extended.text}
    if extended.contextInfo.stanzaID:
        words["reply_to"] = extended.contextInfo.stanzaID
    return words


def _change(content: Any) -> dict[str, Any] | None:
    if not content.HasField("protocolMessage"):
        return None
    part = content.protocolMessage
    if part.type == part.MESSAGE_EDIT:
        text = part.editedMessage.conversation or part.editedMessage.extendedTextMessage.text
        return {"type": "edit", "text": text, "target": part.key.ID}
    if part.type == part.REVOKE and part.HasField("key"):
        return {"type": "delete", "target": part.key.ID}
    return {"type": "protocol"}


def _chosen(client: Any, came: Any) -> list[str]:
    """The hashes of the options that a vote chose.

    Past the library's own `decrypt_poll_vote`, which takes the answer for another type than it is.
    """
    from neonize._binder import gocode
    from neonize.proto.Neonize_pb2 import ReturnFunctionWithError

    data = came.SerializeToString()
    answer = gocode.DecryptPollVote(client.uuid, data, len(data)).contents.get_bytes()
    result = ReturnFunctionWithError.FromString(answer)
    if result.Error:
        return [result.Error]
    return [one.hex() for one in result.PollVoteMessage.selectedOptions]


def downloaded(client: Any, came: Any) -> dict[str, Any]:
    """The SHA-256 and the length of a file that a message brought."""
    data = client.download_any(came.Message)
    return {"sha256": hashlib.sha256(data).hexdigest(), "length": len(data)}


def hands_over_a_key(content: Any) -> bool:
    """Whether it is nothing but a sender key, or keys for app state."""
    if content.protocolMessage.HasField("appStateSyncKeyShare"):
        return True
    return {field.name for field, _ in content.ListFields()} <= {
        "senderKeyDistributionMessage",
        "messageContextInfo",
    }


def history(sync: Any) -> dict[str, Any]:
    """Returns the content of a history sync: the number of its type, and each conversation with its messages."""
    conversations = [
        {
            "chat": one.ID,
            "name": one.name,
            "messages": [
                [message.message.key.ID, _text(message.message.message)["text"]]
                for message in one.messages
            ],
        }
        for one in sync.conversations
    ]
    names = {one.ID: one.pushname for one in sync.pushnames}
    return {"type": int(sync.syncType), "conversations": conversations, "names": names}


def show(client: Any, command: dict[str, Any], seen: dict[str, Any]) -> None:
    """Shows what its user does: is online, types, has read, sets a timer; or asks for a presence."""
    from neonize.utils.enum import ChatPresence, ChatPresenceMedia, Presence, ReceiptType

    if command["do"] == "online":
        client.send_presence(Presence.AVAILABLE if command["online"] else Presence.UNAVAILABLE)
    elif command["do"] == "subscribe":
        client.subscribe_presence(address(command["to"]))
    elif command["do"] == "timer":
        # in nanoseconds, as Go counts time
        client.set_disappearing_timer(address(command["to"]), command["seconds"] * 10**9)
    elif command["do"] == "read":
        source = seen[command["id"]].Info.MessageSource
        client.mark_read(
            command["id"], chat=source.Chat, sender=source.Sender, receipt=ReceiptType.READ
        )
    else:
        recording = command["state"] == "recording"
        state = "PAUSED" if command["state"] == "paused" else "COMPOSING"
        media = "AUDIO" if recording else "TEXT"
        client.send_chat_presence(
            address(command["to"]),
            getattr(ChatPresence, f"CHAT_PRESENCE_{state}"),
            getattr(ChatPresenceMedia, f"CHAT_PRESENCE_MEDIA_{media}"),
        )


def typing_state(event: Any) -> str:
    if event.State == event.PAUSED:
        return "paused"
    return "recording" if event.Media == event.AUDIO else "composing"
