"""WhatsApp's numbers become stable codes: for a whole request, and for each person of one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from actors.connection.abilities.administration import MemberOutcome
from actors.connection.engine import SendError
from actors.connection.protocol.administration.refusals import (
    OF_GROUPS,
    OF_INVITES,
    outcome,
    refused_with,
)
from actors.connection.protocol.request_errors import RequestFailed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from actors.connection.abilities.administration import MemberAction

ANA = "15550100002@s.whatsapp.net"


@pytest.mark.parametrize(
    ("codes", "number", "code"),
    [
        (OF_GROUPS, 401, "not_allowed"),
        (OF_GROUPS, 403, "not_allowed"),
        (OF_GROUPS, 404, "unknown_group"),
        (OF_GROUPS, 406, "whatsapp_refused"),
        (OF_GROUPS, 419, "group_full"),
        (OF_GROUPS, 429, "whatsapp_limited"),
        (OF_GROUPS, 499, "whatsapp_refused"),
        (OF_INVITES, 403, "not_allowed"),
        (OF_INVITES, 404, "unknown_invite"),
        (OF_INVITES, 406, "unknown_invite"),
        (OF_INVITES, 410, "invite_revoked"),
        (OF_INVITES, 419, "group_full"),
    ],
)
def test_a_refusal_has_a_code_and_is_final(
    codes: Mapping[int, str], number: int, code: str
) -> None:
    with pytest.raises(SendError) as caught, refused_with(codes):
        raise RequestFailed(number)
    assert (caught.value.code, caught.value.permanent, caught.value.uncertain) == (
        code,
        True,
        False,
    )


@pytest.mark.parametrize("number", [0, 500, 503])
def test_a_failure_of_whatsapps_own_is_no_refusal(number: int) -> None:
    """It may have been done, and may succeed later."""
    with pytest.raises(RequestFailed), refused_with(OF_GROUPS):
        raise RequestFailed(number)


@pytest.mark.parametrize(
    ("action", "number", "expected"),
    [
        ("add", 0, ("done", None)),
        ("add", 200, ("done", None)),
        ("add", 409, ("unchanged", None)),
        ("add", 401, ("refused", "blocked_by_person")),
        ("add", 403, ("refused", "invite_needed")),
        ("add", 404, ("refused", "not_on_whatsapp")),
        ("add", 408, ("refused", "left_recently")),
        ("add", 500, ("refused", "group_full")),
        ("add", 499, ("refused", "whatsapp_refused")),
        ("remove", 404, ("refused", "not_in_group")),
        ("remove", 403, ("refused", "not_allowed")),
        ("promote", 404, ("refused", "not_in_group")),
        ("demote", 406, ("refused", "not_allowed")),
        ("add", None, ("refused", "no_answer")),
    ],
)
def test_each_person_has_an_outcome(
    action: MemberAction, number: int | None, expected: tuple[str, str | None]
) -> None:
    found = outcome(ANA, action, number)
    assert found == MemberOutcome(ANA, *expected)  # type: ignore[arg-type]
