"""What the error number in WhatsApp's ack of a message means for that message (pure).

The numbers are those of whatsapp-rust, protocol/nack.rs, and of Baileys, messages-recv.ts
(`handleBadAck`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from actors.connection.engine import SendError

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Refusal:
    """The stable code of a refusal, and what follows for the message.

    ``dead``: the same message would be refused again. ``retry``: after a backoff, within the attempts
    that a message has. ``wait``: the message is well, and may leave once the account's limit is over.
    """

    code: str
    follows: Literal["dead", "retry", "wait"]


# 463: the account may not write to this person now. Each repetition counts as another try to reach
# somebody out of the blue, and can prolong a lock. 475 is the cap on new chats, which ends by itself;
# 479 a stanza that does not fit WhatsApp's own schema, whoever it is for.
NAMED: Final[Mapping[int, Refusal]] = {
    421: Refusal("group_addressing_stale", "retry"),
    463: Refusal("reach_out_refused", "dead"),
    475: Refusal("new_chats_capped", "wait"),
    479: Refusal("malformed_stanza", "dead"),
}

DEAD: Final = frozenset({400, 401, 403, 404, 405, 406, 410})
"""Numbers without a name that the same message would meet again; 400 is malformed, 404 nobody there."""


def refusal(code: int | None) -> Refusal:
    """The meaning of an error number; 0 is one that could not be read.

    Of a number that nobody knows (5xx, 429 and whatever comes) the message is tried again: it ends
    for good only where WhatsApp says so.
    """
    code = code or 0
    known = NAMED.get(code)
    return known or Refusal(f"refused_{code}", "dead" if code in DEAD else "retry")


def refused(code: int | None) -> SendError:
    """The same as engines raise it. A limit that nobody told the end of is a backoff."""
    found = refusal(code)
    return SendError(found.code, permanent=found.follows == "dead")
