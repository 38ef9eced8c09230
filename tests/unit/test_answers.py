"""The check that everything was answered: it finds what was not, and wants it named."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest

from tests.run import answers

if TYPE_CHECKING:
    from collections.abc import Iterator

LATE = (
    b'{"late": [{"account": "1", "device": 1, "id": "A", "kind": "message/text", "seconds": 9.0,'
    b' "wrong": ["retry alone"]}], "open": [{"account": "1", "device": 1, "id": "B",'
    b' "kind": "status/text", "seconds": 11.0, "wrong": []}, {"account": "1", "device": 1, "id": "C",'
    b' "kind": "receipt", "seconds": 0.1, "wrong": []}]}'
)


@pytest.fixture
def server() -> Iterator[HTTPServer]:
    class Reports(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(LATE)

        do_DELETE = do_GET  # noqa: N815 - the library's name

        def log_message(self, *_: Any) -> None:
            pass

    made = HTTPServer(("127.0.0.1", 0), Reports)
    thread = Thread(target=made.serve_forever)
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


def test_what_is_late_or_owed_for_long_is_found_once(server: HTTPServer) -> None:
    check = answers.Check()
    url = f"http://127.0.0.1:{server.server_port}"
    check.watch(url)
    check.ask(url)
    assert check.taken() == ["message/text; retry alone", "status/text"]
    check.end(url)
    assert check.taken() == ["message/text; retry alone", "status/text"]
    assert check.taken() == []


def test_a_simulator_that_is_gone_tells_nothing() -> None:
    check = answers.Check()
    check.watch("http://127.0.0.1:9")
    assert check.taken() == []


@pytest.mark.parametrize(
    ("found", "left", "wrong"),
    [
        ([], (), []),
        (["message/text"], ("message",), []),
        (["message/text"], (), ["not answered: message/text"]),
        (
            ["message/text"],
            ("status",),
            ["not answered: message/text", "answered after all: status"],
        ),
        ([], ("message",), ["answered after all: message"]),
    ],
)
def test_a_test_names_what_it_leaves(
    found: list[str], left: tuple[str, ...], wrong: list[str]
) -> None:
    assert answers.judged(found, left) == wrong


def test_a_simulator_is_asked_after_tests_of_its_kind_alone(
    server: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = answers.Check()
    monkeypatch.setenv("PYTEST_CURRENT_TEST", "tests/conformance/test_keys.py::test_a (setup)")
    check.watch(f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("PYTEST_CURRENT_TEST", "tests/unit/test_guide.py::test_b (teardown)")
    assert check.taken() == []
    monkeypatch.setenv("PYTEST_CURRENT_TEST", "tests/conformance/documents/test_c.py::test_c")
    assert check.taken() == ["message/text; retry alone", "status/text"]
