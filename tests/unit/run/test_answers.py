"""The check that everything was answered: it finds what was not, and wants it named."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
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


class Simulator(HTTPServer):
    """A simulator's control port with the one question; each answer has the status `status`."""

    status = 200
    silent: threading.Event | None = None
    """Set by a test that leaves questions without an answer, until the event is."""
    breaks_off = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Reports)
        self.closed = threading.Event()
        """A connection is over."""
        self.url = f"http://127.0.0.1:{self.server_port}"
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,))
        self._thread.start()

    def die(self) -> None:
        if self.silent is not None:
            self.silent.set()
        self.shutdown()
        self._thread.join()
        self.server_close()


class Reports(BaseHTTPRequestHandler):
    server: Simulator

    def do_GET(self) -> None:
        if self.server.silent is not None:
            self.server.silent.wait(30)
        if self.server.breaks_off:
            return
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(LATE)))
        self.end_headers()
        self.wfile.write(LATE)

    do_DELETE = do_GET  # noqa: N815 - the library's name

    def finish(self) -> None:
        super().finish()
        self.server.closed.set()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Simulator]:
    made = Simulator()
    yield made
    made.die()


def test_what_is_late_or_owed_for_long_is_found_once(server: Simulator) -> None:
    check = answers.Check()
    url = server.url
    check.watch(url)
    check.ask(url)
    assert check.taken() == ["message/text; retry alone", "status/text"]
    check.end(url)
    assert check.taken() == ["message/text; retry alone", "status/text"]
    assert check.taken() == []


@pytest.mark.parametrize("way", ["time-out", "broken off", "an error"])
def test_a_simulator_that_does_not_answer_fails_the_test(
    server: Simulator, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    monkeypatch.setattr(answers, "SECONDS", 0.05)
    monkeypatch.setattr(answers, "MARGIN", 0.1)
    check = answers.Check()
    check.watch(server.url)
    if way == "time-out":
        server.silent = threading.Event()
    elif way == "broken off":
        server.breaks_off = True
    else:
        server.status = 500
    (found,) = check.taken()
    words = {"time-out": "timed out", "broken off": "closed", "an error": "answered by 500"}
    assert found.startswith(f"the question of {server.url}: ")
    assert words[way] in found


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
    server: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = answers.Check()
    monkeypatch.setenv(
        "PYTEST_CURRENT_TEST", "tests/conformance/messages/test_keys.py::test_a (setup)"
    )
    check.watch(server.url)
    monkeypatch.setenv("PYTEST_CURRENT_TEST", "tests/unit/test_guide.py::test_b (teardown)")
    assert check.taken() == []
    monkeypatch.setenv("PYTEST_CURRENT_TEST", "tests/conformance/documents/test_c.py::test_c")
    assert check.taken() == ["message/text; retry alone", "status/text"]
