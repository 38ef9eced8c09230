"""Which version is announced, when the page is read, and the page itself over real HTTP."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from actors.config.sources import resolve_settings
from actors.connection import whatsapp_version
from actors.connection.whatsapp_version import (
    BUILT_IN,
    FAILED_LOOKUP_PAUSE_SECONDS,
    MAX_PAGE_BYTES,
    VERSION_FILE,
    VERSION_FRESH_SECONDS,
    NoVersion,
    VersionRecord,
    Versions,
    newest,
    read,
)
from actors.runtime.atomic_files import held
from tests.whatsapp_page import PAGE, serving
from tests.whatsapp_page import PAUSE as LATER

if TYPE_CHECKING:
    from pathlib import Path

    from tests.whatsapp_page import Server

NOW = 2_000_000_000.0
OLDER, NEWER = "2.3000.1000000001", "2.3000.1999999999"
WORKER = (
    rb'self.__swData=JSON.parse(/*BTDS*/"{\"SiteData\":{\"server_revision\":1999999998,'
    rb'\"client_revision\":1999999999,\"push_phase\":\"C3\"}}");'
)
FORMS = (
    PAGE,
    WORKER,
    b'var x = {"client_revision": "1999999999"};',
    b"client_revision:1999999999;",
    b"x" * 2**17 + PAGE.replace(b"1999999999", b"19999" + LATER + b"99999"),
    PAGE.replace(b"revision", b"rev" + LATER + b"ision"),
)


def soon(seconds: float = 5.0) -> float:
    return time.monotonic() + seconds


def versions(data: Path, server: Server, at: float = NOW, **more: Any) -> Versions:
    return Versions(resolve_settings(data=data, whatsapp_url=server.url, **more), lambda: at)


@pytest.mark.parametrize(
    ("known", "announced", "remark"),
    [
        (VersionRecord(), BUILT_IN, "nothing was ever read"),
        (VersionRecord(NEWER, NOW), NEWER, "what the page names"),
        (VersionRecord(OLDER, NOW), BUILT_IN, "none older than the library's own"),
        (VersionRecord(OLDER, NOW - VERSION_FRESH_SECONDS), BUILT_IN, "long not read: the newest"),
        (VersionRecord(OLDER, NOW + 5), BUILT_IN, "read in the future: the clock was set back"),
        (VersionRecord(NEWER, NOW - 9 * VERSION_FRESH_SECONDS), NEWER, "old, and still the newest"),
        (VersionRecord(NEWER, NOW, refused={NEWER: NOW}), NEWER, "refused, and nothing is newer"),
    ],
)
def test_the_version_that_is_announced(known: VersionRecord, announced: str, remark: str) -> None:
    assert known.announced() == announced, remark


@pytest.mark.parametrize(
    ("known", "due", "remark"),
    [
        (VersionRecord(), True, "never read"),
        (
            VersionRecord(NEWER, NOW - VERSION_FRESH_SECONDS + 1, NOW - VERSION_FRESH_SECONDS + 1),
            False,
            "read within a day",
        ),
        (
            VersionRecord(NEWER, NOW - VERSION_FRESH_SECONDS, NOW - VERSION_FRESH_SECONDS),
            True,
            "read a day ago",
        ),
        (
            VersionRecord(
                NEWER, NOW - VERSION_FRESH_SECONDS, NOW - FAILED_LOOKUP_PAUSE_SECONDS + 1
            ),
            False,
            "tried in vain a moment ago",
        ),
        (
            VersionRecord(tried_at=NOW - FAILED_LOOKUP_PAUSE_SECONDS),
            True,
            "tried in vain ten minutes ago",
        ),
        (VersionRecord(NEWER, NOW + 9, NOW + 9), True, "by a clock that was set back"),
    ],
)
def test_when_the_page_is_read(known: VersionRecord, due: bool, remark: str) -> None:
    assert known.due(NOW) is due, remark


@pytest.mark.parametrize(
    ("held", "at", "ends", "remark"),
    [
        ({}, "2000000900", {OLDER: NOW + 900}, "announced"),
        ({OLDER: NOW + 900}, "2000000800", {OLDER: NOW + 800}, "sooner than it was"),
        ({OLDER: NOW + 900}, "2000001000", {OLDER: NOW + 900}, "no later end counts"),
        ({OLDER: NOW + 900}, None, {}, "taken back"),
        ({OLDER: NOW + 900}, "soon", {OLDER: NOW + 900}, "a word takes nothing back"),
        ({OLDER: NOW + 900}, "-1", {OLDER: NOW + 900}, "nor does a time before all times"),
        ({}, "9" * 11, {}, "no time that a calendar has"),
        ({NEWER: NOW + 5}, "2000000900", {NEWER: NOW + 5, OLDER: NOW + 900}, "of this version"),
        ({NEWER: NOW - VERSION_FRESH_SECONDS}, None, {}, "what is long over is forgotten"),
    ],
)
def test_the_announced_end_of_a_version(
    held: dict[str, float], at: str | None, ends: dict[str, float], remark: str
) -> None:
    assert VersionRecord(ends=held).ending(OLDER, at, NOW).ends == ends, remark


def test_what_is_known_is_read_back() -> None:
    known = VersionRecord(NEWER, NOW, NOW + 1).refuse(OLDER, NOW).ending(NEWER, "2000000900", NOW)
    assert VersionRecord.from_json(known.to_json()) == known
    later = known.refuse(NEWER, NOW + 2 * VERSION_FRESH_SECONDS)
    assert later.refused == {NEWER: NOW + 2 * VERSION_FRESH_SECONDS}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        '{"version": 7, "found_at": "x"}',
        '{"version": "2.3000.1; rm", "refused": 1}',
    ],
)
def test_a_file_that_is_damaged_says_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / VERSION_FILE).write_text(text)
    assert read(tmp_path / VERSION_FILE) == VersionRecord()


@pytest.mark.parametrize("body", FORMS)
def test_each_form_of_the_page_is_read(body: bytes) -> None:
    with serving(sw=body) as server:
        assert newest(server.url, soon()) == NEWER
        assert server.asked == ["/sw.js"]
        assert server.headers[0]["User-Agent"].startswith("Mozilla/5.0")
        assert server.headers[0]["Sec-Fetch-Site"] == "none"


@pytest.mark.parametrize(
    "missing", [b"", b"nothing here", b'"client_revision":0,', b"client_revision"]
)
def test_the_front_page_where_the_worker_names_none(missing: bytes) -> None:
    with serving(sw=missing, page=PAGE) as server:
        assert newest(server.url, soon()) == NEWER
        assert server.asked == ["/sw.js", "/"]
        assert server.headers[1]["Sec-Fetch-Dest"] == "document"


def test_a_page_that_is_away_names_no_version() -> None:
    with serving() as server:
        with pytest.raises(NoVersion, match="HTTPError"):
            newest(server.url, soon())
        assert server.asked == ["/sw.js", "/"]
    with pytest.raises(NoVersion, match="URLError"):
        newest(server.url, soon())


def test_no_redirect_is_followed() -> None:
    with serving(page=PAGE) as server:
        server.answers["/sw.js"] = (302, b"/elsewhere")
        server.answers["/elsewhere"] = (200, PAGE.replace(b"1999999999", b"1999999990"))
        assert newest(server.url, soon()) == NEWER
        assert server.asked == ["/sw.js", "/"]


def test_a_page_without_end_is_read_to_its_bound() -> None:
    with serving(sw=b" " * MAX_PAGE_BYTES + PAGE) as server, pytest.raises(NoVersion):
        newest(server.url, soon())


def test_a_slow_server_is_left_in_time() -> None:
    with serving(sw=PAGE, page=PAGE) as server:
        server.pause = 30.0
        began = time.monotonic()
        with pytest.raises(NoVersion, match="TimeoutError"):
            newest(server.url, soon(0.3))
        assert time.monotonic() - began < 10
        server.pause = 0.0


async def test_the_page_is_read_once_a_day_for_all_connections(tmp_path: Path) -> None:
    with serving(sw=WORKER) as server:
        server.pause = 0.3
        all_of_them = [versions(tmp_path, server) for _ in range(5)]
        found = await asyncio.gather(*(each.announced() for each in all_of_them))
        assert set(found) == {NEWER}
        assert (
            await versions(tmp_path, server, NOW + VERSION_FRESH_SECONDS - 1).announced() == NEWER
        )
        assert server.asked == ["/sw.js"]
        assert await versions(tmp_path, server, NOW + VERSION_FRESH_SECONDS).announced() == NEWER
        assert server.asked == ["/sw.js"] * 2


def test_one_process_reads_it_for_all_others(tmp_path: Path) -> None:
    ask = (
        "import asyncio, sys; from pathlib import Path;"
        "from actors.config.sources import resolve_settings;"
        "from actors.connection.whatsapp_version import Versions;"
        "made = resolve_settings(data=Path(sys.argv[1]), whatsapp_url=sys.argv[2]);"
        "print(asyncio.run(Versions(made).announced()), 'httpx' in sys.modules)"
    )
    with serving(sw=WORKER) as server:
        server.pause = 2.0
        asking = [
            subprocess.Popen(
                [sys.executable, "-c", ask, tmp_path, server.url], stdout=subprocess.PIPE, text=True
            )
            for _ in range(3)
        ]
        said = [each.communicate(timeout=60)[0].splitlines()[-1] for each in asking]
        assert said == [f"{NEWER} False"] * 3
        assert server.asked == ["/sw.js"]


async def test_a_look_up_that_fails_holds_no_login_up_for_long(tmp_path: Path) -> None:
    with serving() as server:
        assert await versions(tmp_path, server).announced() == BUILT_IN
        assert await versions(tmp_path, server).announced() == BUILT_IN
        assert server.asked == ["/sw.js", "/"]
        server.answers["/sw.js"] = (200, PAGE)
        assert (
            await versions(tmp_path, server, NOW + FAILED_LOOKUP_PAUSE_SECONDS).announced() == NEWER
        )


async def test_a_login_waits_no_longer_than_a_look_up_may_take(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(whatsapp_version, "LOOKUP_SECONDS", 0.5)
    with serving(sw=PAGE) as server, held(tmp_path / "whatsapp_version.lock"):
        async with asyncio.timeout(20):
            assert await versions(tmp_path, server).announced() == BUILT_IN
        assert server.asked == []


async def test_a_data_directory_that_takes_no_writes_stops_no_login(tmp_path: Path) -> None:
    with serving(sw=PAGE) as server:
        assert await versions(tmp_path / "away", server).announced() == BUILT_IN


async def test_a_version_that_is_set_is_never_looked_up(tmp_path: Path) -> None:
    with serving(sw=PAGE) as server:
        chosen = versions(tmp_path, server, whatsapp_version=OLDER)
        assert await chosen.announced() == OLDER
        assert not await chosen.another()
        assert server.asked == []
    assert not (tmp_path / VERSION_FILE).exists()


async def test_none_older_than_the_librarys_own_is_announced_by_setting(tmp_path: Path) -> None:
    with serving(sw=PAGE) as server:
        for chosen, own in ((None, "2.3000.1999999999999"), (OLDER, BUILT_IN)):
            told = versions(tmp_path, server, whatsapp_version=chosen)
            told.own = own
            assert await told.announced() == own


async def test_after_a_refusal_each_other_version_is_tried_once(tmp_path: Path) -> None:
    (tmp_path / VERSION_FILE).write_text(VersionRecord(OLDER, NOW, NOW - 1).to_json())
    with serving(sw=PAGE) as server:
        first = versions(tmp_path, server)
        assert await first.announced() == BUILT_IN
        assert await first.another()
        assert server.asked == ["/sw.js"]
        assert await first.announced() == NEWER
        again = versions(tmp_path, server, NOW + 1)
        assert await again.announced() == NEWER
        assert not await again.another()
        assert not await again.another()
        assert set(read(tmp_path / VERSION_FILE).refused) == {BUILT_IN, NEWER}


async def test_one_look_up_after_a_refusal_serves_all_who_met_it(tmp_path: Path) -> None:
    (tmp_path / VERSION_FILE).write_text(VersionRecord(OLDER, NOW, NOW - 1).to_json())
    for page, found in ((OLDER, False), (NEWER, True)):
        with serving(sw=b'"client_revision":%s,' % page.split(".")[2].encode()) as server:
            server.pause = 0.2
            refused = [versions(tmp_path, server, NOW + 1) for _ in range(4)]
            if not found:  # the newest that is built in was refused as well
                known = read(tmp_path / VERSION_FILE).refuse(BUILT_IN, NOW)
                (tmp_path / VERSION_FILE).write_text(known.to_json())
            else:
                known = replace(read(tmp_path / VERSION_FILE), tried_at=NOW)
                (tmp_path / VERSION_FILE).write_text(known.to_json())
            for each in refused:
                await each.announced()
            assert await asyncio.gather(*(each.another() for each in refused)) == [found] * 4
            assert server.asked == ["/sw.js"]


async def test_the_end_of_a_version_is_known_to_all_who_announce_it(tmp_path: Path) -> None:
    with serving(sw=PAGE) as server:
        one, other = versions(tmp_path, server), versions(tmp_path, server)
        assert (await one.announced(), one.ends_at) == (NEWER, None)
        await one.note_end("2000000900")
        assert (await other.announced(), other.ends_at) == (NEWER, NOW + 900)
        chosen = versions(tmp_path, server, whatsapp_version=OLDER)
        assert (await chosen.announced(), chosen.ends_at) == (OLDER, None)
        await chosen.note_end("2000000800")
        assert (await chosen.announced(), chosen.ends_at) == (OLDER, NOW + 800)
        await other.note_end(None)
        assert (await one.announced(), one.ends_at) == (NEWER, None)
        assert server.asked == ["/sw.js"]


async def test_what_is_known_holds_no_secret_and_is_written_whole(tmp_path: Path) -> None:
    with serving(sw=PAGE) as server:
        await versions(tmp_path, server).announced()
    assert json.loads((tmp_path / VERSION_FILE).read_text()) == {
        "version": NEWER,
        "found_at": NOW,
        "tried_at": NOW,
        "refused": {},
        "ends": {},
    }
