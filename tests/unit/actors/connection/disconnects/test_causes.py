from __future__ import annotations

import pytest

from actors.connection.disconnects import causes
from actors.connection.disconnects.causes import Cause, Kind
from actors.connection.disconnects.consequences import (
    Wait,
    consequence,
)

NOW = 1_000_000.0


@pytest.mark.parametrize(
    ("until", "left"),
    [
        (None, 0.0),
        (NOW - 1, 0.0),
        (NOW + 60, 60.0),
        (NOW + 365 * 86_400, 0.0),  # a clock that was ahead noted it
    ],
)
def test_how_long_a_ban_holds(until: float | None, left: float) -> None:
    assert causes.ban_left(until, NOW) == left


@pytest.mark.parametrize(
    ("attrs", "expected"),
    [
        pytest.param({"reason": "401"}, Kind.LOGGED_OUT, id="unlinked"),
        pytest.param({"reason": "402", "expire": "60"}, Kind.TEMPORARILY_BANNED, id="for a while"),
        pytest.param({"reason": "403"}, Kind.LOCKED, id="locked"),
        pytest.param({"reason": "405"}, Kind.OUTDATED, id="old version"),
        pytest.param({"reason": "406"}, Kind.LOGGED_OUT, id="banned, and out with it"),
        pytest.param({"reason": "409"}, Kind.OUTDATED, id="bad user agent"),
        pytest.param({"reason": "411"}, Kind.BAD_SESSION, id="multi-device mismatch"),
        pytest.param({"reason": "440"}, Kind.REPLACED, id="another login"),
        pytest.param({"reason": "500"}, Kind.NETWORK, id="their server, not our session"),
        pytest.param({"reason": "503"}, Kind.NETWORK, id="overloaded"),
        pytest.param({"reason": "999"}, Kind.NETWORK, id="unknown is never for good"),
        pytest.param({"reason": "4o1"}, Kind.NETWORK, id="not a number"),
        pytest.param({"reason": "٤٠١"}, Kind.NETWORK, id="digits that are not ASCII"),
        pytest.param({}, Kind.NETWORK, id="no reason"),
    ],
)
def test_failure(attrs: dict[str, str], expected: Kind) -> None:
    assert causes.from_failure(attrs, NOW).kind is expected


@pytest.mark.parametrize(
    ("attrs", "until"),
    [
        pytest.param({"reason": "402", "expire": "60"}, NOW + 60, id="seconds from now"),
        pytest.param({"reason": "402", "expire": "0"}, NOW, id="it is over already"),
        pytest.param(
            {"reason": "402", "expire": "9" * 10}, NOW + causes.LONGEST_BAN, id="the longest"
        ),
        pytest.param(
            {"reason": "402", "expire": "9" * 11}, NOW + causes.UNTIMED_BAN, id="too many digits"
        ),
        pytest.param({"reason": "402"}, NOW + causes.UNTIMED_BAN, id="no time given"),
        pytest.param({"reason": "402", "expire": "soon"}, NOW + causes.UNTIMED_BAN, id="nonsense"),
        pytest.param(
            {"reason": "402", "expire": "9" * 5000}, NOW + causes.UNTIMED_BAN, id="without end"
        ),
    ],
)
def test_a_temporary_ban_says_until_when(attrs: dict[str, str], until: float) -> None:
    cause = causes.from_failure(attrs, NOW)
    assert cause.until == until
    assert consequence(cause) == Wait(until)


@pytest.mark.parametrize(
    ("attrs", "children", "expected"),
    [
        pytest.param({"code": "515"}, {}, Kind.RESTART_REQUIRED, id="after pairing"),
        pytest.param({"code": "401"}, {}, Kind.LOGGED_OUT, id="unlinked"),
        pytest.param(
            {"code": "401"},
            {"conflict": {"type": "device_removed"}},
            Kind.LOGGED_OUT,
            id="unlinked on the phone",
        ),
        pytest.param({}, {"conflict": {"type": "replaced"}}, Kind.REPLACED, id="another login"),
        pytest.param({"code": "440"}, {}, Kind.REPLACED, id="another login, by code"),
        pytest.param({"code": "409"}, {}, Kind.REPLACED, id="another login, and no bad user agent"),
        pytest.param({"code": "403"}, {}, Kind.LOCKED, id="locked meanwhile"),
        pytest.param({"code": "405"}, {}, Kind.NETWORK, id="no version is refused here"),
        pytest.param({"code": "516"}, {}, Kind.LOGGED_OUT, id="device removed"),
        pytest.param({}, {"ack": {}}, Kind.NETWORK, id="a stanza without an answer"),
        pytest.param({"code": "402"}, {}, Kind.NETWORK, id="no ban without a time"),
        pytest.param({"code": "503"}, {}, Kind.NETWORK, id="their server restarts"),
        pytest.param({"code": "9" * 5000}, {}, Kind.NETWORK, id="a code without end"),
        pytest.param({}, {"xml-not-well-formed": {}}, Kind.NETWORK, id="no code"),
    ],
)
def test_stream_error(
    attrs: dict[str, str], children: dict[str, dict[str, str]], expected: Kind
) -> None:
    assert causes.from_stream_error(attrs, children).kind is expected


@pytest.mark.parametrize(
    ("attrs", "detail"),
    [({"reason": "503"}, "failure_503"), ({}, "failure"), ({"reason": "402"}, "failure_402")],
)
def test_each_failure_has_a_word_for_logs(attrs: dict[str, str], detail: str) -> None:
    assert causes.from_failure(attrs, NOW).detail == detail


@pytest.mark.parametrize(
    ("attrs", "children", "detail"),
    [
        ({"code": "515"}, {}, "stream_error_515"),
        ({}, {}, "stream_error"),
        ({}, {"conflict": {}}, "conflict"),
        ({}, {"conflict": {"type": "device_removed"}}, "device_removed"),
    ],
)
def test_each_stream_error_has_a_word_for_logs(
    attrs: dict[str, str], children: dict[str, dict[str, str]], detail: str
) -> None:
    assert causes.from_stream_error(attrs, children).detail == detail


@pytest.mark.parametrize(("code", "detail"), [(1006, "close_1006"), (None, "reset")])
def test_each_close_has_a_word_for_logs(code: int | None, detail: str) -> None:
    assert causes.from_close(code).detail == detail


@pytest.mark.parametrize(
    ("attrs", "said"),
    [
        ({"class": "message", "type": "text"}, "message/text"),
        ({"class": "notification", "type": "w:gp2"}, "notification/other"),
        ({"class": "status"}, "status/other"),
        ({"class": "15550100002", "type": "x" * 40}, "other/other"),
        ({}, "other/other"),
    ],
)
def test_a_stanza_without_an_answer_is_named_and_no_person(
    attrs: dict[str, str], said: str
) -> None:
    cause = causes.from_stream_error({"code": "500"}, {"ack": attrs})
    assert cause == Cause(Kind.NETWORK, "unanswered_stanza", stanza=said)
    assert str(cause) == f"network: unanswered_stanza: {said}"


@pytest.mark.parametrize("code", [None, 1000, 1006, 1011])
def test_a_close_without_a_stanza_is_the_networks(code: int | None) -> None:
    assert causes.from_close(code).kind is Kind.NETWORK
