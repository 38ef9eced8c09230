"""Builds what is forwarded from the document of a message; rejects messages that cannot be forwarded (pure)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from actors.messages.content import (
    Content,
    Forwardable,
    Text,
    UnknownContent,
    Worded,
    forward_score,
    reworded,
    unpack,
)
from gateway.acceptance.message_targets import of_document, require_there
from gateway.http.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping


def forwarded(document: Mapping[str, Any]) -> Forwardable:
    """The content of a message that forwards this one as it reads now, without what it answers and whom it mentions.

    Problems `not_forwardable`, `target_deleted`, `target_not_sent`.
    """
    found = of_document(document, api=".in." not in document["id"])
    require_there(found)
    content = _content(document)
    if not isinstance(content, Forwardable) or (isinstance(content, Text) and not content.text):
        raise Problem("not_forwardable")
    if isinstance(content, Worded):
        content = replace(reworded(content, lambda written: found.text or written), mentions=None)
    return replace(
        content,
        reply_to=None,
        forwarding_score=forward_score(content.forwarding_score, own=found.own),
    )


def _content(document: Mapping[str, Any]) -> Content | None:
    packed = document.get("content")
    if packed is None:
        return Text(document.get("text") or "") if document["type"] == Text.type else None
    try:
        return unpack(packed)
    except UnknownContent:
        return None
