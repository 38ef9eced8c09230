"""Requests as bytes on sockets of their own: begun and not ended, or ended and not read."""

from __future__ import annotations

import select
import selectors
import socket
import threading
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from io import BufferedReader

    from tests.integration.gateway.served import Api, Gateway


def request(
    caller: Api, method: str, path: str, body: bytes, length: int | None = None, **more: str
) -> bytes:
    """The bytes of a request; `length` announces more of the body than there is, `more` are fields of its head."""
    lines = [
        f"{method} {path} HTTP/1.1",
        "Host: localhost",
        f"X-Api-Key: {caller.headers['X-Api-Key']}",
        "Content-Type: application/json",
        f"Content-Length: {len(body) if length is None else length}",
        *(f"{name.replace('_', '-')}: {value}" for name, value in more.items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


@contextmanager
def begun(gateway: Gateway, content: bytes, count: int) -> Iterator[list[socket.socket]]:
    """The same bytes on each of `count` sockets, which are closed at the end."""
    with ExitStack() as closing:
        sockets = []
        for _ in range(count):
            one = closing.enter_context(socket.create_connection(("127.0.0.1", gateway.port)))
            one.sendall(content)
            sockets.append(one)
        yield sockets


@contextmanager
def unresting(gateway: Gateway, content: bytes, count: int) -> Iterator[Callable[[], int]]:
    """Ask the same on each of `count` sockets, again with each answer; how many answers came is returned."""
    over, came = threading.Event(), 0

    def ask() -> None:
        nonlocal came
        with begun(gateway, content, count) as sockets, selectors.DefaultSelector() as ready:
            for each in sockets:
                ready.register(each, selectors.EVENT_READ, each.makefile("rb"))
            while not over.is_set():
                for found, _ in ready.select(1):
                    _read_answer(found.data)
                    came += 1
                    found.fileobj.sendall(content)  # type: ignore[union-attr]

    asking = threading.Thread(target=ask, name="unresting")
    asking.start()
    try:
        yield lambda: came
    finally:
        over.set()
        asking.join(30)


def _read_answer(stream: BufferedReader) -> None:
    """Read one answer of status 200, 201 or 202."""
    assert stream.readline().split()[1] in {b"200", b"201", b"202"}
    length = 0
    while (line := stream.readline()) != b"\r\n":
        if line.lower().startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    stream.read(length)


def answered(sockets: list[socket.socket]) -> list[socket.socket]:
    """Those on which an answer has begun to arrive."""
    poll = select.poll()
    by_number = {each.fileno(): each for each in sockets}
    for number in by_number:
        poll.register(number, select.POLLIN)
    return [by_number[number] for number, _ in poll.poll(0)]


def statuses(sockets: list[socket.socket]) -> list[int]:
    """The status of each answer."""
    return [int(each.recv(65_536, socket.MSG_PEEK).split(b" ", 2)[1]) for each in sockets]
