"""Whether a canary is to return, and what it lacks at the end of its time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gateway.cli.engine.canary import CLOSED_SECONDS, CanaryView, fault, unproven

FIRST = CanaryView("open", None, 10, 20, 5, 7, {"network": 2, "closed": 1})


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, None),
        ({"ends": {"network": 3, "keepalive": 1, "closed": 2, "restart_required": 1}}, None),
        ({"ends": {"network": 2, "bad_session": 1}}, "it ended by bad_session."),
        ({"ends": {"outdated": 1, "locked": 1}}, "it ended by locked, outdated."),
        ({"cause": "network: reset"}, None),
        ({"state": "failed", "cause": "session_too_new"}, "it ended by session_too_new."),
        ({"program": 21}, "its program died."),
        ({"program": None}, None),  # between two of them
        ({"owner": 11, "program": 21}, None),  # its actor died, and took the program along
    ],
)
def test_a_canary_returns_for_a_fault_of_its_program(
    change: dict[str, Any], reason: str | None
) -> None:
    assert fault(FIRST, FIRST, replace(FIRST, **change), 0.0) == reason


def test_a_cause_from_before_is_none_of_the_new_program() -> None:
    first = replace(FIRST, cause="outdated", ends={"outdated": 4})
    assert fault(first, first, first, 0.0) is None
    assert fault(first, first, replace(first, ends={"outdated": 5}), 0.0) is not None


def test_a_canary_may_be_closed_for_a_moment() -> None:
    closed = replace(FIRST, state="reconnecting", cause="network: reset")
    assert fault(FIRST, FIRST, closed, CLOSED_SECONDS) is None
    assert fault(FIRST, FIRST, closed, CLOSED_SECONDS + 1) == "it was reconnecting for 61 s."


@pytest.mark.parametrize(
    ("sent", "received", "lacks"),
    [(6, 8, None), (5, 8, "sent"), (6, 7, "received"), (5, 7, "sent or received")],
)
def test_a_canary_has_to_send_and_to_receive(sent: int, received: int, lacks: str | None) -> None:
    found = unproven(FIRST, replace(FIRST, sent=sent, received=received))
    assert found == (lacks and f"nothing was {lacks} meanwhile.")
