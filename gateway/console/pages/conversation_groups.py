"""Groups a list of messages into conversations and days, for the console's conversation pages (pure)."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    Message = Mapping[str, Any]

ABOUT_OTHERS: Final = frozenset({"reaction", "pin", "poll_vote", "edit", "delete"})
"""Kinds that are shown with the message that they are about."""

INLINE_IMAGE_TYPES: Final = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
"""Pictures that every browser shows; any other picture is a file to save."""

_SENT_AS: Final[Mapping[str, str]] = {
    "image/jpeg": "image",
    "image/png": "image",
    "video/mp4": "video",
    "audio/mpeg": "audio",
    "audio/mp4": "audio",
    "audio/aac": "audio",
    "audio/ogg": "audio",
}


def name(newest_first: Iterable[Message]) -> str | None:
    """The name of the chat of these messages, as it was known when one last arrived; None where it never was."""
    for message in newest_first:
        found, author = message["chat_name"], message["author"]
        if found is None and author is not None and author["address"] == message["chat"]:
            found = author["name"]
        if found is not None:
            return str(found)
    return None


def shown_messages(
    newest_first: Iterable[Message], just_sent: Message | None = None
) -> list[Message]:
    """The messages of a conversation on the page, oldest first.

    A message that was `just_sent` may not be listed yet; where it is, the queue has its status sooner.
    """
    listed = [one for one in newest_first if one["type"] not in ABOUT_OTHERS]
    if just_sent is not None:
        listed = [just_sent, *(one for one in listed if one["id"] != just_sent["id"])]
    # WhatsApp's time has no fractions: within a second it is the list that knows the order.
    listed.reverse()
    return sorted(listed, key=lambda one: one["at"] or "")


def days(messages: Iterable[Message]) -> Iterator[tuple[str, Sequence[Message]]]:
    """The messages by the day, in UTC, on which they were said."""
    day = ""
    of_day: list[Message] = []
    for message in messages:
        moment = message["at"] or message["accepted_at"] or message["received_at"]
        its_day = datetime.fromisoformat(moment).date().isoformat()
        if its_day != day and of_day:
            yield of_day[0]["at"], of_day
            of_day = []
        day = its_day
        of_day.append(message)
    if of_day:
        yield of_day[0]["at"], of_day


def kind_of(mime: str) -> str:
    """As what a file is sent: phones play and show only some kinds, the rest goes as a document."""
    return _SENT_AS.get(mime.partition(";")[0].strip().lower(), "document")
