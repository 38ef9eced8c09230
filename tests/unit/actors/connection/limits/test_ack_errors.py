"""Meanings of WhatsApp's error numbers for the message that met them."""

from __future__ import annotations

import pytest

from actors.connection.limits.ack_errors import NAMED, SendDeferred, refusal, refused
from actors.queue.dead_letters import ONLY_BY_NAME


@pytest.mark.parametrize(
    ("number", "code", "follows"),
    [
        (400, "refused_400", "dead"),
        (401, "refused_401", "dead"),
        (403, "refused_403", "dead"),
        (404, "refused_404", "dead"),
        (405, "refused_405", "dead"),
        (406, "refused_406", "dead"),
        (410, "refused_410", "dead"),
        (421, "group_addressing_stale", "retry"),
        (429, "refused_429", "retry"),
        (463, "reach_out_refused", "dead"),
        (475, "new_chats_capped", "wait"),
        (479, "malformed_stanza", "dead"),
        (500, "refused_500", "retry"),
        (503, "refused_503", "retry"),
        (None, "refused_0", "retry"),
    ],
)
def test_each_number_has_one_meaning(number: int | None, code: str, follows: str) -> None:
    assert refusal(number).code == code
    assert refusal(number).follows == follows
    error = refused(number, 1000.0)
    assert (error.code, error.permanent, error.uncertain) == (code, follows == "dead", False)
    assert isinstance(error, SendDeferred) == (follows == "wait")
    if isinstance(error, SendDeferred):
        assert error.until == 4600


def test_what_no_redrive_of_many_means_is_a_refusal_for_good() -> None:
    """The queue knows the codes by their names alone."""
    found = {each.code: each.follows for each in NAMED.values() if each.code in ONLY_BY_NAME}
    assert found == dict.fromkeys(ONLY_BY_NAME, "dead")
