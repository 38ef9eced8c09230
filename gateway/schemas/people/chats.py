"""Defines models of the list of chats, and builds them from documents of SQLite or Firestore (pure)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import Field

from actors.runtime.text_pattern import TextPattern
from gateway.http.response_base import Answer, Time, rfc3339
from gateway.schemas import presenters
from gateway.schemas.people.people import PictureId, person
from gateway.schemas.request_models import ConnectionId, Limit, ListQuery
from gateway.schemas.response_models import Message  # noqa: TC001

if TYPE_CHECKING:
    from collections.abc import Mapping

    from actors.state.documents import Document

SEARCHED_CHATS: Final = 200
"""Chats that one page of a search looks at."""

SEARCHED: Final = TextPattern(
    r"^[^\x00-\x1f\x7f]+$",
    "use 1 to 100 characters without a line break, as in ana",
    shortest=1,
    longest=100,
)


class ListedChat(Answer):
    """A chat with its newest message."""

    chat: str = Field(
        description="The address to write to: of a person or a group.",
        examples=["15550100002@s.whatsapp.net"],
    )
    name: str | None = Field(
        description="The person's name in the address book of the account's phone, else the name that the person"
        " shows, else the number with a `+`; the subject of a group. null where none is known.",
        examples=["Ana Pereira"],
    )
    last_message: Message | None = Field(
        description="The newest message, but for reactions, votes, edits and deletes; null once it is pruned."
    )
    found_message: Message | None = Field(
        description="Of a search: the newest message with the words in its text, among those that are looked at, where"
        " that is not the last one; else null."
    )
    active_at: Time = Field(description="By which chats are sorted: `at` of the newest message.")
    picture: PictureId
    unread: int = Field(
        description="Messages that arrived since the account last wrote in the chat, or read it through this"
        " service; messages that were read on the phone alone still count."
    )
    muted: bool
    archived: bool
    pinned: bool


class ListedChats(Answer):
    """A page of the chats of a connection, the newest first."""

    items: list[ListedChat]
    texts_since: Time | None = Field(
        description="Of a search: `at` of the oldest message whose text was looked at, so that an older one with the"
        " words is not found; null where all were, and without a search."
    )
    next: str | None


class ListAllChats(ListQuery):
    """A page of the chats of a connection, or of those that a search finds."""

    connection: ConnectionId = Field(description="The connection whose chats are listed.")
    limit: Limit = Field(50, ge=1, le=200, description="The most items to give.")
    search: Annotated[str, SEARCHED] | None = Field(
        None,
        description="Only chats with this in the name, the number or the text of a message, in any case, with"
        " accents or without them. Texts are looked at in the last message of each chat and in the newest 1,000 messages of the connection, on Firestore"
        " the newest 200, and of these in a million characters (`texts_since`)."
        f" A page looks at {SEARCHED_CHATS} chats at most: with fewer items than `limit`, or none, `next` goes on.",
        examples=["ana"],
    )


def chat(
    document: Document,
    last: Document | None,
    contact: str | None,
    *,
    now: float,
    match: Document | None,
) -> ListedChat:
    """A chat by its document and its newest message's; `contact` is the name in the address book.

    `match` is the message in which a search found its words.
    """
    settings = {
        name: one["value"] for name, one in document["settings"].items() if one["value"] is not None
    }
    if match is not None and last is not None and match["id"] == last["id"]:
        match = None
    return ListedChat(
        chat=document["chat"],
        name=name_of(document, contact),
        last_message=None if last is None else presenters.stored(last),
        found_message=None if match is None else presenters.stored(match),
        active_at=rfc3339(document["active_at"]) or "",
        picture=document.get("picture"),
        unread=document.get("unread_count") or 0,
        muted=_is_muted(settings, now),
        archived="archived" in settings,
        pinned="pinned" in settings,
    )


def name_of(document: Mapping[str, Any], contact: str | None) -> str | None:
    """The name of a chat: `contact`, else as it was known when a message last arrived, else the number."""
    name = contact or document.get("name")
    if name or document["chat"].endswith("@g.us"):
        return name
    found = person(document["chat"], {})
    return None if found is None else found.name


def _is_muted(settings: Mapping[str, Any], now: float) -> bool:
    if "mute" not in settings:
        return False
    until = settings["mute"]["until"]
    return until is None or until > now
