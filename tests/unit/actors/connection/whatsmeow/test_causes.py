"""Causes of the end of a login, in the program's words and in WhatsApp's."""

from __future__ import annotations

from typing import Any

import pytest

from actors.connection.disconnects.causes import Cause, Kind
from actors.connection.whatsmeow.causes import from_ended, from_word

NOW = 1_000_000.0


@pytest.mark.parametrize(
    ("told", "cause"),
    [
        ({"by": "failure", "attrs": {"reason": "401"}}, Cause(Kind.LOGGED_OUT, "failure_401")),
        ({"by": "failure", "attrs": {"reason": "405"}}, Cause(Kind.OUTDATED, "failure_405")),
        (
            {"by": "failure", "attrs": {"reason": "402", "expire": "60"}},
            Cause(Kind.TEMPORARILY_BANNED, "failure_402", NOW + 60),
        ),
        (
            {"by": "stream_error", "attrs": {"code": "515"}},
            Cause(Kind.RESTART_REQUIRED, "stream_error_515"),
        ),
        (
            {"by": "stream_error", "children": {"conflict": {"type": "replaced"}}},
            Cause(Kind.REPLACED, "conflict"),
        ),
        (
            {"by": "stream_error", "children": {"conflict": {"type": "device_removed"}}},
            Cause(Kind.LOGGED_OUT, "device_removed"),
        ),
        ({"by": "close"}, Cause(Kind.NETWORK, "reset")),
        ({"by": "program", "cause": "keepalive"}, Cause(Kind.KEEPALIVE, "keepalive")),
        ({"by": "program", "cause": "unreachable"}, Cause(Kind.NETWORK, "unreachable")),
        (
            {"by": "program", "cause": "proxy_unreachable", "detail": "timeout"},
            Cause(Kind.PROXY_UNREACHABLE, "timeout"),
        ),
        (
            {"by": "program", "cause": "proxy_authentication_failed", "detail": "answer_407"},
            Cause(Kind.PROXY_AUTHENTICATION, "answer_407"),
        ),
        (
            {"by": "program", "cause": "proxy_refused", "detail": "s3cret"},
            Cause(Kind.PROXY_REFUSED, "answer"),
        ),
        ({"by": "program", "cause": "15550100002"}, Cause(Kind.NETWORK, "program")),
        ({}, Cause(Kind.NETWORK, "program")),
        ({"by": "failure", "attrs": 7}, Cause(Kind.NETWORK, "failure")),
    ],
)
def test_the_end_of_a_login(told: dict[str, Any], cause: Cause) -> None:
    assert from_ended(told, NOW) == cause


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("fenced", Kind.REPLACED),
        ("disk_full", Kind.DISK_FULL),
        ("store_failed", Kind.BAD_SESSION),
        ("bad_request", Kind.NETWORK),
    ],
)
def test_a_program_that_cannot_begin(word: str, kind: Kind) -> None:
    assert from_word(word).kind is kind
