"""The search through the logs finds each kind of leak, once, and says it without saying it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.plain_http import NO_AUTHORITIES
from tests.run import leaks

if TYPE_CHECKING:
    from collections.abc import Iterator

TEXT = "meet me at the harbour"


@pytest.fixture
def place() -> Iterator[Path]:
    """Outside pytest's directory, whose logs are searched."""
    with tempfile.TemporaryDirectory(prefix="tmo-leaks-") as directory:
        yield Path(directory)


@pytest.fixture
def search() -> leaks.Search:
    search = leaks.Search()
    search.note_request({"connection": "shop", "items": [{"text": TEXT}, {"text": "hi"}]})
    return search


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ('{"action": "sent", "who": "15550100001"}', "a phone number"),
        ('{"action": "sent", "who": "+15550100001"}', "a phone number"),
        ('{"action": "sent", "path": "/api/messages/15550100001"}', "a phone number"),
        ('{"action": "sent", "at": "17@s.whatsapp.net"}', "a phone number"),
        ("Traceback of another's: 15550100001:3", "a phone number"),
        ('{"action": "sent", "text": "hi"}', "a field text"),
        ('{"action": "sent", "sender": "somebody"}', "a field sender"),
        (f"ValueError: {TEXT}", "a message's text"),
        (f'{{"action": "sent", "error": "no {TEXT}"}}', "a message's text"),
    ],
)
def test_a_leak(search: leaks.Search, place: Path, line: str, kind: str) -> None:
    (place / "logs").mkdir()
    for name in ("gateway.log", "raylet.err", "logs/root"):
        (place / name).write_text(f"before\n{line}\n")
        search.files(place)
        [found] = search.taken()
        assert kind in found
        assert "15550100001" not in found
        assert TEXT not in found
        search.files(place)
        assert not search.taken(), "reported once"
        search.note_request({"text": TEXT})


def test_the_last_line_of_what_was_killed(search: leaks.Search, place: Path) -> None:
    (place / "child.log").write_text('{"action": "sent", "who": "15550100001')
    search.files(place)
    assert search.taken()


def test_what_is_logged_after_the_first_look_is_found_at_last(
    search: leaks.Search, place: Path
) -> None:
    (place / "shared").mkdir()
    log = place / "shared" / "simulator.log"
    log.write_text("begun\n")
    search.new(place)
    with log.open("a") as file:
        file.write("15550100001\n")
    (place / "later").mkdir()
    (place / "later" / "gateway.log").write_text("15550100002\n")
    search.new(place)
    assert len(search.taken()) == 1
    search.last(place)
    assert len(search.taken()) == 1


def test_our_own_client_beside_foreign_ones(search: leaks.Search, place: Path) -> None:
    (place / "whatsmeow0").mkdir()
    (place / "whatsmeow0" / "client.log").write_text("15550100001\n")
    search.files(place)
    assert search.taken()


def test_what_is_no_leak(search: leaks.Search, place: Path) -> None:
    (place / "gateway.log").write_text(
        '{"action": "sent", "connection": "shop", "at": 1795550100001.25, "hi": 115550100001}\n'
        'another\'s log: "text": "hi"\n'
    )
    (place / "notes.txt").write_text("15550100001\n")
    (place / leaks.FOREIGN_LOG).write_text("15550100001\n")
    search.files(place)
    assert search.lines == 2
    assert not search.taken()


def test_what_a_test_sends_over_http_is_known() -> None:
    client = httpx.Client(verify=NO_AUTHORITIES)
    client.build_request("POST", "http://localhost/", json={"text": "never sent, and yet known"})
    client.close()
    assert b"never sent, and yet known" in leaks.SEARCH._texts


def test_what_is_captured() -> None:
    logged = "2026-01-01 [info] sent action=sent who=15550100001\n"
    assert leaks.captured([("Captured stdout call", logged)])
    assert leaks.captured([("Captured log call", "INFO 15550100001\n")])
    assert not leaks.captured([("Captured stdout call", "figures: 15550100001 sent\n")])
