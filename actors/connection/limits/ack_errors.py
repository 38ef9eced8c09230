"""Maps error numbers in WhatsApp's acks to a code and the message's fate: dead, retried, or waiting for a limit (pure).

The numbers are those of whatsapp-rust, protocol/nack.rs, and of Baileys, messages-recv.ts
(`handleBadAck`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from actors.connection.engine import SendError
from actors.connection.limits.account_limits import NEW_CHATS_CAPPED, UNTOLD_CAP

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


REFUSED_STANZA: Final = "refused_400"
"""The code of the refusal of a stanza that is not as WhatsApp wants it."""
STALE_ADDRESSING: Final = "group_addressing_stale"
"""The code of the refusal of a message whose group is addressed otherwise now."""
MALFORMED: Final = "malformed_stanza"
"""The code of a refusal that is a mistake of this service."""
REACH_OUT_REFUSED: Final = "reach_out_refused"
"""The code of a refusal that may mean that the account is time-locked."""

# 463: the account may not write to this person now. Each repetition counts as another try to reach
# somebody out of the blue, and can prolong a lock. 475 is the cap on new chats, which ends by itself;
# 479 a stanza that does not fit WhatsApp's own schema, for any recipient.
NAMED: Final[Mapping[int, Refusal]] = {
    421: Refusal(STALE_ADDRESSING, "retry"),
    463: Refusal(REACH_OUT_REFUSED, "dead"),
    475: Refusal(NEW_CHATS_CAPPED, "wait"),
    479: Refusal(MALFORMED, "dead"),
}

DEAD: Final = frozenset({400, 401, 403, 404, 405, 406, 410})
"""Numbers without a name that the same message would meet again; 400 is malformed, 404 nobody there."""


def refusal(code: int | None) -> Refusal:
    """The meaning of an error number; 0 is one that could not be read.

    With an unknown number (5xx, 429 and any other) the message is tried again: it ends
    for good only where WhatsApp says so.
    """
    code = code or 0
    named = NAMED.get(code)
    return named or Refusal(f"refused_{code}", "dead" if code in DEAD else "retry")


class SendDeferred(SendError):
    """A limit of the account keeps the message from leaving until then (seconds since the epoch).

    It waits at its place, no attempt counts, and other chats go on.
    """

    def __init__(self, code: str, until: float) -> None:
        super().__init__(code)
        self.until = until


def refused(code: int | None, now: float) -> SendError:
    """The same as engines raise it; a message that has to wait waits while no end is known."""
    found = refusal(code)
    if found.follows == "wait":
        return SendDeferred(found.code, now + UNTOLD_CAP)
    return SendError(found.code, permanent=found.follows == "dead")
