"""The state of a connection between two sockets, by the cause of the close."""

from __future__ import annotations

import pytest

from actors.connection.disconnects.causes import Cause, Kind, from_failure
from actors.connection.disconnects.consequences import (
    AwaitRoom,
    Consequence,
    FreshLease,
    PairAgain,
    Reconnect,
    ServingEnd,
    Stop,
    Wait,
    consequence,
    disconnected,
    ending_of,
)
from actors.redis.leases.leases import Obstacle

UNLINKED = Obstacle("logged_out")
BANNED = Obstacle("temporarily_banned", 900.0)


@pytest.mark.parametrize(
    ("cause", "before", "linked", "pairing", "expected"),
    [
        (Cause(Kind.NETWORK), None, True, False, ("reconnecting", "network", None)),
        (Cause(Kind.RESTART_REQUIRED), None, True, False, ("connecting", "restart_required", None)),
        (Cause(Kind.NETWORK), None, False, False, ("connecting", "network", None)),
        # An obstacle stays until a login says otherwise.
        (Cause(Kind.NETWORK), UNLINKED, False, False, ("connecting", "network", UNLINKED)),
        (Cause(Kind.NETWORK), BANNED, True, False, ("reconnecting", "network", BANNED)),
        (
            Cause(Kind.RESTART_REQUIRED),
            BANNED,
            True,
            False,
            ("connecting", "restart_required", BANNED),
        ),
        # The QR stays, and so does the reason why there is one.
        (Cause(Kind.NETWORK), None, False, True, ("pairing", "network", None)),
        (Cause(Kind.NETWORK), UNLINKED, False, True, ("pairing", "logged_out", UNLINKED)),
        (Cause(Kind.LOGGED_OUT), None, True, False, ("logged_out", "logged_out", UNLINKED)),
        (
            Cause(Kind.LOGGED_OUT),
            Obstacle("other_account"),
            False,
            False,
            ("logged_out", "other_account", Obstacle("other_account")),
        ),
        # A ban is over once WhatsApp says something else.
        (Cause(Kind.LOGGED_OUT), BANNED, True, False, ("logged_out", "logged_out", UNLINKED)),
        (
            Cause(Kind.TEMPORARILY_BANNED, until=900.0),
            None,
            True,
            False,
            ("reconnecting", "temporarily_banned", BANNED),
        ),
    ],
)
def test_between_two_sockets(
    cause: Cause,
    before: Obstacle | None,
    linked: bool,
    pairing: bool,
    expected: tuple[str, str, Obstacle | None],
) -> None:
    follows = consequence(cause)
    assert ending_of(cause, follows) is None
    assert disconnected(cause, follows, before, linked=linked, pairing=pairing) == expected


@pytest.mark.parametrize(
    ("kind", "ending"),
    [
        (Kind.CLOSED, ServingEnd("stopped")),
        (Kind.LOCKED, ServingEnd("failed", "locked")),
        (Kind.REPLACED, ServingEnd("failed", "replaced")),
    ],
)
def test_causes_that_end_serving(kind: Kind, ending: ServingEnd) -> None:
    assert ending_of(Cause(kind), consequence(Cause(kind))) == ending


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (Kind.NETWORK, Reconnect(at_once=False)),
        (Kind.KEEPALIVE, Reconnect(at_once=False)),
        (Kind.DISK_FULL, AwaitRoom()),
        (Kind.RESTART_REQUIRED, Reconnect(at_once=True)),
        (Kind.REPLACED, FreshLease()),
        (Kind.LOGGED_OUT, PairAgain()),
        (Kind.LOCKED, Stop("failed", alert=True)),
        (Kind.OUTDATED, Stop("failed", alert=True)),
        (Kind.BAD_SESSION, Stop("failed", alert=True)),
        (Kind.CLOSED, Stop("stopped", alert=False)),
    ],
)
def test_consequence(kind: Kind, expected: Consequence) -> None:
    assert consequence(Cause(kind)) == expected


def test_a_login_that_was_one_too_many_is_not_repeated_soon() -> None:
    refused = from_failure({"reason": "429"}, 0.0)
    assert consequence(refused) == Reconnect(at_once=False, slowly=True)
    assert consequence(from_failure({"reason": "503"}, 0.0)) == Reconnect(at_once=False)


def test_a_ban_without_an_end_is_over() -> None:
    assert consequence(Cause(Kind.TEMPORARILY_BANNED)) == Wait(0.0)


def test_every_kind_has_a_consequence() -> None:
    for kind in Kind:
        assert consequence(Cause(kind, until=900.0)) is not None
