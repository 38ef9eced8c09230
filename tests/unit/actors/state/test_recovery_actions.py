"""Recovery actions as documents."""

from __future__ import annotations

import pytest

from actors.state.documents import RECOVERY_ACTIONS
from actors.state.recovery_actions import noting, recovery_action


def test_an_action_on_a_connection() -> None:
    action = recovery_action(
        role="connection",
        action="restarted",
        cause="died",
        at=1_764_000_000.25,
        seconds=0.31249,
        connection="shop",
        before="open",
        after="connecting",
        epoch_before=4,
        epoch_after=5,
    )
    assert action == {
        "id": "connection.shop.1764000000250.restarted",
        "connection": "shop",
        "role": "connection",
        "cause": "died",
        "action": "restarted",
        "before": "open",
        "after": "connecting",
        "epoch_before": 4,
        "epoch_after": 5,
        "seconds": 0.312,
        "at": 1_764_000_000.25,
    }
    write = noting(action)
    assert (write.op, write.collection, write.id) == ("create", RECOVERY_ACTIONS, action["id"])


def test_an_action_on_a_process_without_a_connection() -> None:
    action = recovery_action(role="queue", action="restarted", cause="hung", at=2.0, seconds=0)
    assert action["id"] == "queue.2000.restarted"
    assert (action["connection"], action["epoch_after"]) == (None, None)
    with pytest.raises(ValueError, match="negative"):
        recovery_action(role="queue", action="restarted", cause="hung", at=2.0, seconds=-1)
