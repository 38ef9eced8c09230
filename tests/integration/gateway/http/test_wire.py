"""Bytes that are no request: one problem each, and what was accepted is never called refused."""

from __future__ import annotations

import json
import re
import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from gateway.http.problems import PROBLEM_KINDS
from gateway.http.server import MAX_HEAD_BYTES
from tests.integration.gateway.served import KEY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.integration.gateway.served import Api, Gateway

HOST = b"Host: x\r\nX-Api-Key: " + KEY.encode() + b"\r\n"
JSON = b"Content-Type: application/json\r\n"
GET = b"GET /api/queue HTTP/1.1\r\n" + HOST
SEND = b"POST /api/messages HTTP/1.1\r\n" + HOST + JSON
BODY = json.dumps({"connection": "shop", "to": "15550100002", "text": "psst"}).encode()
WHOLE = SEND + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY


def answered(gateway: Gateway, parts: Iterable[bytes]) -> bytes:
    """Returns all bytes from the gateway until it closes the connection, or is silent for a second."""
    answer = b""
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as client:
        with suppress(ConnectionError):
            for part in parts:
                client.sendall(part)
        client.settimeout(2)
        with suppress(TimeoutError):
            while part := client.recv(65_536):
                answer += part
                client.settimeout(1)
    return answer


def problem(answer: bytes) -> dict[str, Any]:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"content-type: application/problem+json" in head.lower(), answer
    assert b"connection: close" in head.lower()
    assert b"\r\nx-request-id: " in head.lower()
    found: dict[str, Any] = json.loads(body)
    assert f" {found['status']} ".encode() in head.splitlines()[0]
    assert PROBLEM_KINDS[found["code"]].status == found["status"]
    return found


def waiting(api: Api) -> int:
    depth: int = api.get("/api/queue").json()["waiting"]
    return depth


@pytest.mark.parametrize(
    "request_",
    [
        b"garbage\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # TLS
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"BREW /api/queue HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET /api/queue HTTP/9.9\r\n\r\n",
        b"GET /api/queue\xff HTTP/1.1\r\n" + HOST + b"\r\n",
        GET + b"X-A: a\x00b\r\n\r\n",
        GET + b"X A: b\r\n\r\n",
        SEND + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        SEND + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\n{}  ",
        SEND + b"Content-Length: -3\r\n\r\n{}",
        SEND + b"Content-Length: 99999999999999999999999\r\n\r\n{}",
        SEND + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
    ids=range(13),
)
def test_what_is_no_request(gateway: Gateway, api: Api, request_: bytes) -> None:
    before = waiting(api)
    assert problem(answered(gateway, [request_]))["code"] == "malformed_request"
    assert waiting(api) == before


@pytest.mark.parametrize(
    "parts",
    [
        [GET, b"X-A: " + b"a" * 3_000_000 + b"\r\n\r\n"],
        [GET, *[b"X-A: " + b"a" * 1000 + b"\r\n"] * 3000, b"\r\n"],
        [b"GET /", b"a" * 3_000_000, b" HTTP/1.1\r\n\r\n"],
        [b"GET /api/messages?chat=", b"1" * MAX_HEAD_BYTES, b" HTTP/1.1\r\n" + HOST + b"\r\n"],
        [
            SEND,
            b"Transfer-Encoding: chunked\r\n\r\n0\r\n",
            *[b"X-A: " + b"a" * 1000 + b"\r\n"] * 99,
        ],
        [SEND, b"Transfer-Encoding: chunked\r\n\r\n1;a=", b"a" * 3_000_000],
    ],
    ids=["header", "headers", "path", "query", "trailers", "chunk"],
)
def test_a_head_without_end(gateway: Gateway, api: Api, parts: list[bytes]) -> None:
    before = waiting(api)
    found = problem(answered(gateway, parts))
    assert (found["status"], found["code"]) == (431, "head_too_large")
    assert waiting(api) == before


def test_a_head_just_below_the_limit_is_read(gateway: Gateway) -> None:
    longest = GET + b"X-A: " + b"a" * (MAX_HEAD_BYTES - 1000) + b"\r\nConnection: close\r\n\r\n"
    assert answered(gateway, [longest]).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("rest", [b"garbage\r\n\r\n", b"X" * 3_000_000], ids=["short", "long"])
def test_what_follows_a_whole_request_does_not_take_its_answer(
    gateway: Gateway, api: Api, rest: bytes
) -> None:
    """A length that is too small: the message is accepted, and the client learns that."""
    before = waiting(api)
    answer = answered(gateway, [WHOLE, rest])
    assert answer.startswith(b"HTTP/1.1 202 "), answer
    assert answer.count(b"HTTP/1.1 ") == 1
    assert waiting(api) == before + 1


UNREAD = 20
"""So many answers are more than the client's side takes before it reads."""


def read_late(gateway: Gateway, last: bytes, rest: bytes, is_done: Callable[[], bool]) -> list[str]:
    """The statuses that a client finds that begins to read only when all is done, and then some.

    The last answers wait on the gateway's side by then. Were its socket closed there, what the
    client goes on to say would reset the connection and take them along.
    """
    answer = b""
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        client.settimeout(10)
        client.connect(("127.0.0.1", gateway.port))
        client.sendall((GET + b"\r\n") * UNREAD + last)
        gateway.until(is_done, 10)
        with suppress(ConnectionError):
            for _ in range(5):
                client.sendall(rest)
                time.sleep(0.02)
        with suppress(ConnectionError):
            while part := client.recv(65_536):
                answer += part
    return [status.decode() for status in re.findall(rb"HTTP/1\.1 (\d+) ", answer)]


@pytest.mark.parametrize(
    "last",
    [
        WHOLE + b"garbage\r\n\r\n",
        WHOLE.replace(HOST, HOST + b"Connection: close\r\n"),
    ],
    ids=["garbage", "closing"],
)
def test_what_a_client_goes_on_to_say_does_not_take_the_answer_to_an_accepted_message(
    gateway: Gateway, api: Api, last: bytes
) -> None:
    before = waiting(api)
    found = read_late(gateway, last, b"more", lambda: waiting(api) == before + 1)
    assert found == ["200"] * UNREAD + ["202"]
    assert waiting(api) == before + 1


def test_a_body_that_is_refused_does_not_take_the_refusal(gateway: Gateway, api: Api) -> None:
    before, refused = waiting(api), gateway.log().count('"status": 413')
    found = read_late(
        gateway,
        SEND + b"Connection: close\r\nContent-Length: 10000000\r\n\r\n",
        b"x" * 1000,
        lambda: gateway.log().count('"status": 413') > refused,
    )
    assert found == ["200"] * UNREAD + ["413"]
    assert waiting(api) == before


@pytest.mark.parametrize("path", [b"/api%2Fqueue", b"/api/connections/shop%2fqr", b"/%2Fapi/queue"])
def test_a_slash_that_is_written_otherwise_is_none(gateway: Gateway, path: bytes) -> None:
    """A path that a proxy allows must be the path that is reached."""
    answer = answered(
        gateway, [b"GET " + path + b" HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"]
    )
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert problem(answer)["code"] == "not_found"


CHUNKS = b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n" % (len(BODY), BODY)


def test_a_trailer_is_no_header(gateway: Gateway, api: Api) -> None:
    """Neither does it take a key away, nor does it bring one."""
    before = waiting(api)
    answer = answered(gateway, [SEND + CHUNKS + b"X-Api-Key: tmo_other\r\nContent-Type: x\r\n\r\n"])
    assert answer.startswith(b"HTTP/1.1 202 ")
    assert waiting(api) == before + 1
    nobody = b"POST /api/messages HTTP/1.1\r\nHost: x\r\n" + JSON
    answer = answered(gateway, [nobody + CHUNKS + b"X-Api-Key: " + KEY.encode() + b"\r\n\r\n"])
    assert answer.startswith(b"HTTP/1.1 401 ")
    assert waiting(api) == before + 1


def test_a_body_that_is_packed_for_the_way_is_refused(gateway: Gateway, api: Api) -> None:
    before = waiting(api)
    for coding in (b"Transfer-Encoding: gzip\r\n", b"Transfer-Encoding: gzip, "):
        packed = CHUNKS if coding.endswith(b"\n") else CHUNKS.removeprefix(b"Transfer-Encoding: ")
        answer = answered(gateway, [SEND + coding + packed + b"\r\n"])
        assert answer.startswith(b"HTTP/1.1 415 "), answer
    assert waiting(api) == before


def test_a_length_that_is_too_great_accepts_nothing(gateway: Gateway, api: Api) -> None:
    before = waiting(api)
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as client:
        client.sendall(SEND + b"Content-Length: %d\r\n\r\n" % (len(BODY) + 1) + BODY)
        time.sleep(0.2)
    gateway.until(lambda: '"status": 499' in gateway.log(), 10)
    assert waiting(api) == before


def test_requests_one_after_the_other_are_answered_in_order(gateway: Gateway, api: Api) -> None:
    before = waiting(api)
    missing = WHOLE.replace(b'"text"', b'"teXt"')
    answer = answered(gateway, [WHOLE + missing + b"\r\n" + WHOLE])
    statuses = re.findall(rb"HTTP/1\.1 (\d+) ", answer)
    assert statuses == [b"202", b"422", b"202"]
    assert waiting(api) == before + 2


def test_an_upgrade_is_not_taken(gateway: Gateway) -> None:
    answer = answered(gateway, [GET + b"Connection: upgrade\r\nUpgrade: websocket\r\n\r\n"])
    assert answer.startswith(b"HTTP/1.1 200 ")


def test_who_says_nothing_or_half_is_let_go(gateway: Gateway) -> None:
    """The connection of a silent client is closed; one with half a head gets the reason."""
    with (
        socket.create_connection(("127.0.0.1", gateway.port), timeout=60) as silent,
        socket.create_connection(("127.0.0.1", gateway.port), timeout=60) as half,
    ):
        half.sendall(GET)
        assert problem(half.recv(65_536))["code"] == "head_timeout"
        assert silent.recv(1) == b""


def test_a_client_that_ends_its_side_reads_its_answers(gateway: Gateway, api: Api) -> None:
    """`nc -N` ends its side at once; it gets the answer to an accepted message all the same."""
    before = waiting(api)
    for requests in (WHOLE, WHOLE + WHOLE):
        with socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as client:
            client.sendall(requests)
            client.shutdown(socket.SHUT_WR)
            answer = b"".join(iter(lambda: client.recv(65_536), b""))
        assert re.findall(rb"HTTP/1\.1 (\d+) ", answer) == [b"202"] * requests.count(b"POST")
    assert waiting(api) == before + 3


def test_a_reader_of_events_that_ends_its_side_has_left(gateway: Gateway) -> None:
    """Nothing else tells a socket that was closed from one that will read on for ever."""
    asked = GET.replace(b"/api/queue", b"/api/events") + b"\r\n"
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as client:
        client.sendall(asked)
        client.shutdown(socket.SHUT_WR)
        assert b"event:" not in b"".join(iter(lambda: client.recv(65_536), b""))
