"""The console's cookie: one that was sealed here opens until its end, and no other does."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest
from starlette.datastructures import Headers

from gateway.console.login import revoked_sessions, session
from tests.clocks import believe_clock

if TYPE_CHECKING:
    from pathlib import Path

SECRET, OTHER, NOW = b"s" * 32, b"o" * 32, 1_790_000_000.0


def test_a_sealed_cookie_opens_until_its_end() -> None:
    cookie = session.sealed(SECRET, "0123456789abcdef", NOW)
    found = session.opened(SECRET, cookie, NOW + session.LASTS - 1)
    assert found is not None
    assert found.key_id == "0123456789abcdef"
    assert session.genuine(found, found.token)
    assert session.opened(SECRET, cookie, NOW + session.LASTS) is None


def test_a_clock_that_was_ahead_gives_nobody_a_year() -> None:
    ahead = session.sealed(SECRET, "0123456789abcdef", NOW + 365 * 86_400)
    assert session.opened(SECRET, ahead, NOW) is None
    assert session.opened(SECRET, session.sealed(SECRET, "0123456789abcdef", NOW + 30), NOW)


def test_a_clock_that_is_ahead_brings_no_ended_session_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time()
    believe_clock(tmp_path)
    for at in (now, now + 365 * 86_400):
        monkeypatch.setattr("time.time", lambda at=at: at)
        found = session.opened(SECRET, session.sealed(SECRET, "0123456789abcdef", at), at)
        assert found is not None
        revoked_sessions.end(tmp_path, found)
    assert len(list((tmp_path / revoked_sessions.DIRECTORY).iterdir())) == 2


@pytest.mark.parametrize(
    "spoiled",
    [
        lambda cookie: cookie.replace("0123", "3210"),
        lambda cookie: cookie[:-10] + ("A" if cookie[-10] != "A" else "B") + cookie[-9:],
        lambda cookie: cookie.rpartition(".")[0],
        lambda cookie: "." + cookie,
        lambda cookie: cookie.replace(str(int(NOW + session.LASTS)), str(int(NOW * 2))),
        lambda cookie: "é" + cookie,
        lambda _: "",
        lambda _: "...",
    ],
)
def test_a_changed_cookie_opens_nothing(spoiled: object) -> None:
    assert callable(spoiled)
    cookie = session.sealed(SECRET, "0123456789abcdef", NOW)
    assert session.opened(SECRET, spoiled(cookie), NOW) is None


def test_another_instance_takes_neither_cookie_nor_form() -> None:
    mine = session.sealed(SECRET, "0123456789abcdef", NOW)
    assert session.opened(OTHER, mine, NOW) is None
    found = session.opened(SECRET, mine, NOW)
    again = session.opened(SECRET, session.sealed(SECRET, "0123456789abcdef", NOW), NOW)
    assert found is not None
    assert again is not None
    assert not session.genuine(found, again.token), "a form is of one session"


@pytest.mark.parametrize(
    ("headers", "ours"),
    [
        ({"sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "same-site"}, False),
        (
            {"sec-fetch-site": "cross-site", "origin": "http://a.example", "host": "a.example"},
            False,
        ),
        ({"sec-fetch-site": "none"}, False),
        ({"origin": "http://a.example:8090", "host": "a.example:8090"}, True),
        ({"origin": "http://b.example", "host": "a.example"}, False),
        ({"origin": "null", "host": "a.example"}, False),
        ({"host": "a.example"}, True),
    ],
)
def test_which_pages_are_of_this_site(headers: dict[str, str], ours: bool) -> None:
    assert session.of_this_site(Headers(headers)) is ours


def test_who_asks_at_once_gets_one_secret(tmp_path: Path) -> None:
    found: list[bytes] = []
    start = threading.Barrier(8)

    def ask() -> None:
        start.wait()
        found.append(session.secret_of(tmp_path))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1
    assert len(found[0]) == 32
    file = tmp_path / session.SECRET_FILE
    assert file.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in tmp_path.iterdir()] == [file.name]


def test_half_a_secret_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / session.SECRET_FILE).write_bytes(b"half")
    made = session.secret_of(tmp_path)
    assert len(made) == 32
    assert session.secret_of(tmp_path) == made
