"""Defines references from a message: the target of a change, the quote of a reply, the preview of a link."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

MINTED = re.compile(r"3EB0[0-9A-F]{18}\Z")
"""The WhatsApp ids that this service gives (`queue.records.mint`); WhatsApp Web's are like them."""


QUOTE_EXCERPT: Final = 300
"""Characters of a quoted message's words that are kept of a reply that arrives, and shown."""


@dataclass(frozen=True, slots=True)
class Target:
    """Another message of the same chat. `sender` None: this service sent it, under its own id.

    Otherwise the canonical address of its author; the account's, where its phone sent it.
    """

    message_id: str
    sender: str | None


@dataclass(frozen=True, slots=True)
class Quote:
    """The message that a reply quotes. `text` is shown with it, where it is known; `type` is its kind.

    Both are the sender's word in a reply that arrived: anything may be quoted.
    """

    target: Target
    text: str | None = None
    type: str = "text"


@dataclass(frozen=True, slots=True)
class LinkPreview:
    """Title, description and picture of the page that a text links to. `url` is as the text has it, `thumbnail` a JPEG in Base64."""

    url: str
    title: str
    description: str | None = None
    thumbnail: str | None = None
