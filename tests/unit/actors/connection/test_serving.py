"""The decisions of serving: how long until the next try, and which causes end it (G6)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.connection.causes import Cause, Kind, consequence
from actors.connection.ending import Ending, ending_of
from actors.connection.serving import reconnect_after


@pytest.mark.parametrize(
    ("failures", "chance", "seconds", "why"),
    [
        (1, 0.0, 0.25, "soon after the first"),
        (1, 1.0, 0.5, "with jitter"),
        (2, 0.0, 0.5, "doubling"),
        (8, 0.0, 30.0, "up to half of the cap"),
        (10_000, 1.0, 60.0, "and never above it"),
    ],
)
def test_reconnect_after(failures: int, chance: float, seconds: float, why: str) -> None:
    assert reconnect_after(failures, 0.5, 60.0, chance) == pytest.approx(seconds), why


@given(st.integers(1, 100), st.floats(0, 1))
def test_the_pause_never_shrinks_below_half_a_step(failures: int, chance: float) -> None:
    pause = reconnect_after(failures, 0.5, 60.0, chance)
    assert reconnect_after(failures, 0.5, 60.0, 0.0) <= pause <= 60.0


@pytest.mark.parametrize(
    ("kind", "ending"),
    [
        (Kind.NETWORK, None),
        (Kind.KEEPALIVE, None),
        (Kind.RESTART_REQUIRED, None),
        (Kind.TEMPORARILY_BANNED, None),
        (Kind.REPLACED, Ending("failed", "replaced")),
        (Kind.LOGGED_OUT, None),
        (Kind.BANNED, Ending("failed", "banned")),
        (Kind.OUTDATED, Ending("failed", "outdated")),
        (Kind.BAD_SESSION, Ending("failed", "bad_session")),
        (Kind.CLOSED, Ending("stopped")),
    ],
)
def test_ending(kind: Kind, ending: Ending | None) -> None:
    cause = Cause(kind)
    assert ending_of(cause, consequence(cause)) == ending
