"""Content of a message and its later changes, as answers show them (pure)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from actors.messages.content import Target, UnknownContent, pack
from actors.state.messages.changes import former, target_id, text_now
from actors.state.messages.received import connection_of
from gateway.http.response import rfc3339
from gateway.schemas import message_content, responses

if TYPE_CHECKING:
    from collections.abc import Mapping

    from actors.queue.lanes import Record
    from actors.state.documents import Document


def said_in(record: Record) -> Document | None:
    """The content of a message of the queue, as its document has it."""
    try:
        said = record.said if record.content else None
    except UnknownContent:
        return None
    return None if said is None else pack(said)


def said_and_done(document: Mapping[str, Any]) -> dict[str, Any]:
    """Those fields of `responses.Message` that say what the message is, and was, and got.

    From `id`, `connection`, `chat`, `text`, `content`, `media` and `changes` of its document.
    """
    changes = document.get("changes") or {}
    deleted = changes.get("deleted")
    packed = None if deleted else document.get("content")
    shown = {**document, "text": None} if deleted else document
    edits = [] if deleted else former(shown)
    return {
        "text": text_now(shown),
        "content": _content(document, packed or {}),
        "media": _media(document, packed or {}),
        "reply_to": _reply(document, packed or {}),
        "reactions": [] if deleted else _reactions(changes.get("reactions") or {}),
        "votes": [] if deleted else _votes(changes.get("votes") or {}),
        "edits": [message_content.Former(text=text, until=rfc3339(at) or "") for text, at in edits],
        "edited_at": rfc3339(edits[-1][1]) if edits else None,
        "deleted_at": rfc3339(deleted["at"]) if deleted else None,
    }


def _content(
    document: Mapping[str, Any], packed: Mapping[str, Any]
) -> message_content.Content | None:
    # A message that could not be read when it came has the name of its kind alone.
    kind = None if "kind" in packed else packed.get("type")
    if kind == "location":
        return message_content.LocationContent(
            latitude=packed["latitude"],
            longitude=packed["longitude"],
            name=packed.get("name"),
            address=packed.get("address"),
        )
    if kind == "contact":
        cards = [
            message_content.SentCard(name=one["name"], vcard=one["vcard"])
            for one in packed["cards"]
        ]
        return message_content.ContactContent(contacts=cards)
    if kind == "poll":
        return message_content.PollContent(
            question=packed["question"], options=packed["options"], choices=packed["choices"]
        )
    if kind == "video":
        return message_content.VideoContent(seconds=packed.get("seconds"))
    if kind == "audio":
        return message_content.AudioContent(voice=packed["voice"], seconds=packed.get("seconds"))
    if kind == "sticker":
        return message_content.StickerContent(animated=packed["animated"])
    if kind not in ("reaction", "edit", "delete", "poll_vote"):
        return None
    message = _referred(document, packed["target"])
    if kind == "reaction":
        return message_content.ReactionContent(message=message, emoji=packed["emoji"])
    if kind == "poll_vote":
        return message_content.PollVoteContent(message=message, options=packed.get("options"))
    return (message_content.EditContent if kind == "edit" else message_content.DeleteContent)(
        message=message
    )


def _media(document: Mapping[str, Any], packed: Mapping[str, Any]) -> responses.MessageMedia | None:
    file = packed.get("file")
    if file is None:
        return None
    # What this service sends it has had from the start.
    known = document.get("media") or {"state": "stored"}
    return responses.MessageMedia(
        sha256=file["sha256"],
        size=file["size"],
        mime=file["mime"],
        name=file.get("name"),
        state=known["state"],
        error=known.get("error"),
        url=f"/api/messages/{document['id']}/media",
    )


def _reply(
    document: Mapping[str, Any], packed: Mapping[str, Any]
) -> message_content.Referred | None:
    quote = packed.get("reply_to")
    return None if quote is None else _referred(document, quote["target"])


def _referred(document: Mapping[str, Any], packed: Mapping[str, Any]) -> message_content.Referred:
    target = Target(packed["message_id"], packed.get("sender"))
    id_ = target_id(connection_of(document), document["chat"], target)
    return message_content.Referred(id=id_, message_id=target.message_id)


def _votes(noted: Mapping[str, Any]) -> list[message_content.Vote]:
    return [
        message_content.Vote(by=who, options=one["options"], at=rfc3339(one["at"]) or "")
        for who, one in sorted(noted.items(), key=lambda pair: pair[1]["at"])
    ]


def _reactions(noted: Mapping[str, Any]) -> list[message_content.MessageReaction]:
    present = [(who, one) for who, one in noted.items() if one["emoji"]]
    return [
        message_content.MessageReaction(by=who, emoji=one["emoji"], at=rfc3339(one["at"]) or "")
        for who, one in sorted(present, key=lambda pair: pair[1]["at"])
    ]
