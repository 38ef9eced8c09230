"""Requests as bytes on sockets of their own: begun and not ended, or ended and not read."""

from __future__ import annotations

import select
import socket
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.gateway.served import Api, Gateway


def request(caller: Api, method: str, path: str, body: bytes, length: int | None = None) -> bytes:
    """The bytes of a request; `length` announces more of the body than there is."""
    lines = [
        f"{method} {path} HTTP/1.1",
        "Host: localhost",
        f"X-Api-Key: {caller.headers['X-Api-Key']}",
        "Content-Type: application/json",
        f"Content-Length: {len(body) if length is None else length}",
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
