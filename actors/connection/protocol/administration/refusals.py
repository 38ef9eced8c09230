"""Translates WhatsApp's error numbers in answers to changes of groups into stable codes (pure).

Numbers are those of whatsmeow (`errors.go`, `group.go`) and Baileys (`Socket/groups.ts`).
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from actors.connection.abilities.administration import MemberOutcome
from actors.connection.engine import SendError
from actors.connection.protocol.request_errors import RequestFailed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from actors.connection.abilities.administration import MemberAction

NOT_ALLOWED: Final = "not_allowed"
"""The account is no admin, or its standing does not let it."""

LIMITED: Final = "whatsapp_limited"
"""WhatsApp lets the account do this less often."""

REFUSED_VALUE: Final = "whatsapp_refused"
"""WhatsApp does not take the value, as a subject that is too long for it."""

OF_GROUPS: Final[Mapping[int, str]] = {
    401: NOT_ALLOWED,
    403: NOT_ALLOWED,
    404: "unknown_group",
    405: NOT_ALLOWED,
    410: "unknown_group",
    419: "group_full",
    429: LIMITED,
}
OF_INVITES: Final[Mapping[int, str]] = {
    **OF_GROUPS,
    400: "unknown_invite",
    404: "unknown_invite",
    406: "unknown_invite",
    410: "invite_revoked",
}
OF_PICTURES: Final[Mapping[int, str]] = {**OF_GROUPS, 404: "unknown_group", 419: REFUSED_VALUE}
OF_PEOPLE: Final[Mapping[int, str]] = {
    401: NOT_ALLOWED,
    403: NOT_ALLOWED,
    404: "not_on_whatsapp",
    429: LIMITED,
}
OF_ADDED: Final[Mapping[int, str]] = {
    401: "blocked_by_person",
    403: "invite_needed",
    404: "not_on_whatsapp",
    408: "left_recently",
    419: "group_full",
    500: "group_full",
}
OF_MEMBERS: Final[Mapping[int, str]] = {403: NOT_ALLOWED, 404: "not_in_group", 406: NOT_ALLOWED}

ALREADY: Final = 409
"""The person is a member already."""


@contextmanager
def refused_with(codes: Mapping[int, str]) -> Iterator[None]:
    """Turns a refusal of WhatsApp's into `SendError` with the code of its number; failures of its own stay as they are."""
    try:
        yield
    except RequestFailed as failed:
        if not 400 <= failed.code < 500:
            raise
        raise SendError(codes.get(failed.code, REFUSED_VALUE), permanent=True) from None


def outcome(address: str, action: MemberAction, number: int | None) -> MemberOutcome:
    """The outcome for a person by the number in WhatsApp's answer: 0 or 200 for none, None where nothing was said."""
    if number is None:
        return MemberOutcome(address, "refused", "no_answer")
    if number in (0, 200):
        return MemberOutcome(address, "done")
    if number == ALREADY:
        return MemberOutcome(address, "unchanged")
    codes = OF_ADDED if action == "add" else OF_MEMBERS
    return MemberOutcome(address, "refused", codes.get(number, REFUSED_VALUE))
