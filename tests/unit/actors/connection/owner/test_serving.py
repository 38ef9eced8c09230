"""The decisions of serving: which causes end it (G6)."""

from __future__ import annotations

import pytest

from actors.connection.disconnects.causes import Cause, Kind
from actors.connection.disconnects.consequences import ServingEnd, consequence, ending_of


@pytest.mark.parametrize(
    ("kind", "ending"),
    [
        (Kind.NETWORK, None),
        (Kind.KEEPALIVE, None),
        (Kind.DISK_FULL, None),
        (Kind.RESTART_REQUIRED, None),
        (Kind.TEMPORARILY_BANNED, None),
        (Kind.REPLACED, ServingEnd("failed", "replaced")),
        (Kind.LOGGED_OUT, None),
        (Kind.LOCKED, ServingEnd("failed", "locked")),
        (Kind.OUTDATED, ServingEnd("failed", "outdated")),
        (Kind.BAD_SESSION, ServingEnd("failed", "bad_session")),
        (Kind.CLOSED, ServingEnd("stopped")),
    ],
)
def test_ending(kind: Kind, ending: ServingEnd | None) -> None:
    cause = Cause(kind)
    assert ending_of(cause, consequence(cause)) == ending
