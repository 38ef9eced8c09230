"""Events of neonize about the end of a socket, played with objects of the shape of its events."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from actors.connection.causes import UNTIMED_BAN, Cause, Kind
from actors.connection.neonize import causes

NOW = 1_000_000.0


class Event(SimpleNamespace):
    def __init__(self, name: str, **fields: Any) -> None:
        super().__init__(DESCRIPTOR=SimpleNamespace(name=name), **fields)

    def HasField(self, name: str) -> bool:  # noqa: N802 - protobuf's name
        return hasattr(self, name)


UNANSWERED = SimpleNamespace(
    Nodes=[
        SimpleNamespace(
            Tag="ack",
            Attrs=[
                SimpleNamespace(name="class", text="receipt"),
                SimpleNamespace(name="type", text="retry"),
            ],
        )
    ]
)


@pytest.mark.parametrize(
    ("event", "cause"),
    [
        (Event("Disconnected"), Cause(Kind.NETWORK, "reset")),
        (Event("KeepAliveTimeout"), Cause(Kind.KEEPALIVE)),
        (Event("StreamReplaced"), Cause(Kind.REPLACED, "conflict")),
        (Event("ClientOutdated"), Cause(Kind.OUTDATED, "failure_405")),
        (Event("LoggedOut", OnConnect=False, Reason=2), Cause(Kind.LOGGED_OUT, "device_removed")),
        (Event("LoggedOut", OnConnect=True, Reason=2), Cause(Kind.LOGGED_OUT, "failure_401")),
        # 403 is a lock, though whatsmeow calls it a log-out
        (Event("LoggedOut", OnConnect=True, Reason=4), Cause(Kind.LOCKED, "failure_403")),
        (Event("LoggedOut", OnConnect=True, Reason=5), Cause(Kind.LOGGED_OUT, "failure_406")),
        (Event("ConnectFailure", Reason=7), Cause(Kind.OUTDATED, "failure_409")),
        (Event("ConnectFailure", Reason=99), Cause(Kind.NETWORK, "failure")),
        (Event("StreamError", Code="440"), Cause(Kind.REPLACED, "stream_error_440")),
        (Event("StreamError", Code="409"), Cause(Kind.REPLACED, "stream_error_409")),
        (Event("StreamError", Code="516"), Cause(Kind.LOGGED_OUT, "stream_error_516")),
        (
            Event("StreamError", Code="", Raw=UNANSWERED),
            Cause(Kind.NETWORK, "unanswered_stanza", stanza="receipt/retry"),
        ),
        (
            Event("TemporaryBan", Expire=90),
            Cause(Kind.TEMPORARILY_BANNED, "failure_402", NOW + 90),
        ),
        (
            Event("TemporaryBan"),
            Cause(Kind.TEMPORARILY_BANNED, "failure_402", NOW + UNTIMED_BAN),
        ),
        (Event("Connected"), None),
        (Event("Message"), None),
    ],
    ids=lambda one: getattr(one, "DESCRIPTOR", SimpleNamespace(name=str(one))).name,
)
def test_each_event(event: Event, cause: Cause | None) -> None:
    assert causes.from_event(event, NOW) == cause


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("success", None),
        ("timeout", Kind.NETWORK),
        ("err-client-outdated", Kind.OUTDATED),
        ("err-unexpected-state", Kind.NETWORK),
    ],
)
def test_each_outcome_of_a_pairing(word: str, kind: Kind | None) -> None:
    cause = causes.from_pairing(word)
    assert (cause and cause.kind) == kind


@pytest.mark.parametrize(
    ("error", "kind", "detail"),
    [
        ("", Kind.NETWORK, "not_connected"),
        ("failed to dial: refused 15550100001", Kind.NETWORK, "not_connected"),
        ("noise handshake failed: bad certificate", Kind.NETWORK, "handshake_failed"),
        ("file is not a database", Kind.BAD_SESSION, "whatsmeow"),
        ("required field Neonize.TemporaryBan.Code not set", Kind.TEMPORARILY_BANNED, None),
    ],
)
def test_why_there_is_no_socket(error: str, kind: Kind, detail: str | None) -> None:
    cause = causes.from_over(error, NOW)
    assert cause.kind is kind
    assert detail in {None, cause.detail}
    assert "1555" not in str(cause)
