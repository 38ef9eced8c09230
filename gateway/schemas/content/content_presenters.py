"""Converts a stored message's content and later changes to answer models (pure)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from actors.messages.content import QUOTE_EXCERPT, Target, Text
from actors.state.messages.applied_changes import ME, former, target_id, text_now
from actors.state.messages.received import connection_of
from gateway.http.response_base import rfc3339
from gateway.schemas import response_models
from gateway.schemas.content import message_content
from gateway.schemas.people.people import person

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.http.response_base import Answer
    from gateway.schemas.people.people import Person


def message_fields(document: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of `response_models.Message` for its content and for later changes of it.

    Made of `id`, `connection`, `chat`, `text`, `content`, `media` and `changes` of its document.
    """
    changes = document.get("changes") or {}
    deleted = changes.get("deleted")
    packed = {} if deleted else document.get("content") or {}
    shown = {**document, "text": None} if deleted else document
    edits = [] if deleted else former(shown)
    return {
        "text": text_now(shown),
        "content": _content(document, packed),
        "media": _media(document, packed),
        "reply_to": _reply(document, packed),
        "quoted": _quoted(document, packed),
        "forwarding_score": packed.get("forwarding_score"),
        "mentions": packed.get("mentions") or [],
        "link_preview": _preview(packed.get("link_preview")),
        "reactions": [] if deleted else _reactions(changes.get("reactions") or {}),
        "votes": [] if deleted else _votes(changes.get("votes") or {}),
        "pinned_until": None if deleted else _pinned_until(changes.get("pinned")),
        "edits": [message_content.Former(text=text, until=rfc3339(at) or "") for text, at in edits],
        "edited_at": rfc3339(edits[-1][1]) if edits else None,
        "deleted_at": rfc3339(deleted["at"]) if deleted else None,
    }


def text_of(document: Mapping[str, Any]) -> str | None:
    """The text of a message as it reads now: after its edits, and none once it is deleted."""
    changes = document.get("changes") or {}
    return None if changes.get("deleted") else text_now(document)


def media_of(document: Mapping[str, Any]) -> response_models.MessageMedia | None:
    """The file that a message brings; None without one, and once it is deleted."""
    deleted = (document.get("changes") or {}).get("deleted")
    return None if deleted else _media(document, document.get("content") or {})


def author(who: str, noted: Mapping[str, Any]) -> Person | None:
    """The person who made a change that is noted of `who`; None for the account."""
    return None if who == ME else person(who, noted)


def media_url(message: str) -> str:
    """The address, in this service, of the file that a message brings."""
    return f"/api/messages/{message}/media"


def _content(document: Mapping[str, Any], packed: Mapping[str, Any]) -> Answer | None:
    """The content of kinds that are more than a text; None for one that could not be read when it came."""
    model = None if "kind" in packed else message_content.CONTENT_MODELS.get(packed.get("type", ""))
    if model is None:
        return None
    fields = {name: packed.get(name) for name in model.model_fields}
    if "message" in fields:
        fields["message"] = _referred(document, packed["target"])
    if "contacts" in fields:
        fields["contacts"] = packed["cards"]
    return model(**fields)


def _media(
    document: Mapping[str, Any], packed: Mapping[str, Any]
) -> response_models.MessageMedia | None:
    file = packed.get("file")
    if file is None:
        return None
    # The service has a file that it sends from the start.
    media = document.get("media") or {"state": "stored"}
    return response_models.MessageMedia(
        sha256=file["sha256"],
        size=file["size"],
        mime=file["mime"],
        name=file.get("name"),
        state=media["state"],
        error=media.get("error"),
        url=media_url(document["id"]),
    )


def _reply(
    document: Mapping[str, Any], packed: Mapping[str, Any]
) -> message_content.Referred | None:
    quote = packed.get("reply_to")
    return None if quote is None else _referred(document, quote["target"])


def _quoted(
    document: Mapping[str, Any], packed: Mapping[str, Any]
) -> message_content.Quoted | None:
    quote = packed.get("reply_to")
    if quote is None:
        return None
    text = quote.get("text")
    # A text without words: the kind is not known.
    kind = None if text is None and quote["type"] == Text.type else quote["type"]
    return message_content.Quoted(
        **_referred(document, quote["target"]).model_dump(),
        author=person(quote["target"].get("sender"), {}),
        type=kind,
        excerpt=text and text[:QUOTE_EXCERPT],
    )


def _referred(document: Mapping[str, Any], packed: Mapping[str, Any]) -> message_content.Referred:
    target = Target(packed["message_id"], packed.get("sender"))
    id_ = target_id(connection_of(document), document["chat"], target)
    return message_content.Referred(id=id_, message_id=target.message_id)


def _votes(noted: Mapping[str, Any]) -> list[message_content.Vote]:
    return [
        message_content.Vote(
            by=who, author=author(who, one), options=one["options"], at=rfc3339(one["at"]) or ""
        )
        for who, one in sorted(noted.items(), key=lambda pair: pair[1]["at"])
    ]


def _preview(packed: Mapping[str, Any] | None) -> message_content.ShownPreview | None:
    if packed is None:
        return None
    return message_content.ShownPreview(
        url=packed["url"],
        title=packed["title"],
        description=packed.get("description"),
        has_thumbnail=packed.get("thumbnail") is not None,
    )


def _pinned_until(pinned: Mapping[str, Any] | None) -> str | None:
    """The end of the last pin; None where there is none, or it was taken back."""
    if not pinned or not pinned["seconds"]:
        return None
    return rfc3339(pinned["at"] + pinned["seconds"])


def _reactions(noted: Mapping[str, Any]) -> list[message_content.MessageReaction]:
    present = [(who, one) for who, one in noted.items() if one["emoji"]]
    return [
        message_content.MessageReaction(
            by=who, author=author(who, one), emoji=one["emoji"], at=rfc3339(one["at"]) or ""
        )
        for who, one in sorted(present, key=lambda pair: pair[1]["at"])
    ]
