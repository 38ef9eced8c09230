"""Translates the error codes of messages that were not sent into sentences for people (pure)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

ERROR_TEXTS: Final[Mapping[str, str]] = {
    "ack_timeout": "WhatsApp did not acknowledge it, at any attempt.",
    "not_on_whatsapp": "The number is not on WhatsApp.",
    "poison": "Two processes ended while they were sending it.",
    "target_not_sent": "The message that it is about was not sent.",
    "not_in_group": "The account is not in the group.",
    "mention_not_in_group": "Somebody whom it mentions is not in the group.",
    "unknown_group": "There is no such group.",
    "reach_out_refused": "WhatsApp lets the account write to nobody new now, or not to this person. Sending"
    " it again can prolong that.",
    "reach_out_limited": "WhatsApp lets the account write to nobody new for now. It waits for the end of that.",
    "new_chats_capped": "The account began as many new chats as WhatsApp allows for now. It waits for the end"
    " of that.",
    "new_chats_paced": "The account began as many new chats today as its pacing allows. It waits for midnight, UTC.",
    "malformed_stanza": "WhatsApp takes the message for malformed: a mistake of this service.",
    "group_addressing_stale": "WhatsApp refused the group's addresses twice; they are asked for anew.",
    "unknown_media": "Its file is gone.",
    "media_gone": "Its file is gone.",
    "connection_deleted": "Its connection was removed.",
}


def sentence(code: str | None) -> str:
    """The sentence for a code; of a code without one, the code as words."""
    if code is None:
        return "The reason is not known."
    return ERROR_TEXTS.get(code) or f"{code.replace('_', ' ').capitalize()}."
