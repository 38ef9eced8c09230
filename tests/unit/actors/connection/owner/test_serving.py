"""The decisions of serving: which causes end it (G6)."""

from __future__ import annotations

import pytest

from actors.connection.ends.causes import Cause, Kind
from actors.connection.ends.consequences import Ending, consequence, ending_of


@pytest.mark.parametrize(
    ("kind", "ending"),
    [
        (Kind.NETWORK, None),
        (Kind.KEEPALIVE, None),
        (Kind.DISK_FULL, None),
        (Kind.RESTART_REQUIRED, None),
        (Kind.TEMPORARILY_BANNED, None),
        (Kind.REPLACED, Ending("failed", "replaced")),
        (Kind.LOGGED_OUT, None),
        (Kind.LOCKED, Ending("failed", "locked")),
        (Kind.OUTDATED, Ending("failed", "outdated")),
        (Kind.BAD_SESSION, Ending("failed", "bad_session")),
        (Kind.CLOSED, Ending("stopped")),
    ],
)
def test_ending(kind: Kind, ending: Ending | None) -> None:
    cause = Cause(kind)
    assert ending_of(cause, consequence(cause)) == ending
