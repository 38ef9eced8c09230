"""`python http_load.py PORT CONNECTIONS SECONDS`: POST messages over keep-alive connections.

A process of its own, on bare sockets, so that the client costs the machine as little as a client
can: the request is made beforehand, and of the answer only its status and its end are looked at.
Prints one JSON object.
"""

from __future__ import annotations

import json
import selectors
import socket
import sys
import time

CHATS = 500
TEXT = "x" * 300


def request(number: int, key: str) -> bytes:
    """One send as a program would ask for it, without a byte too many."""
    body = json.dumps(
        {
            "connection": "shop",
            "to": f"1555{number % CHATS:07d}",
            "type": "text",
            "text": TEXT,
        }
    )
    return (
        "POST /api/messages HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"X-Api-Key: {key}\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


def complete(answer: bytearray) -> bool:
    """Whether the whole answer is there; raises when it is not 202."""
    head = answer.find(b"\r\n\r\n")
    if head < 0:
        return False
    if not answer.startswith(b"HTTP/1.1 202"):
        raise SystemExit(f"refused: {bytes(answer[:500])!r}")
    begin = answer.lower().index(b"content-length:") + 15
    length = int(answer[begin : answer.index(b"\r\n", begin)])
    return len(answer) >= head + 4 + length


def main(port: int, connections: int, seconds: float, key: str) -> None:
    requests = [request(number, key) for number in range(CHATS)]
    selector = selectors.DefaultSelector()
    answers: dict[int, tuple[bytearray, float]] = {}
    number = 0
    begun, cpu = time.perf_counter(), time.process_time()
    for _ in range(connections):
        client = socket.create_connection(("127.0.0.1", port))
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        selector.register(client, selectors.EVENT_READ, client)
        answers[client.fileno()] = bytearray(), time.perf_counter()
        client.sendall(requests[number % CHATS])
        number += 1
    times: list[float] = []
    end = begun + seconds
    while (now := time.perf_counter()) < end:
        for ready, _ in selector.select(max(0.0, end - now)):
            client = ready.data
            answer, asked = answers[ready.fd]
            part = client.recv(4096)
            if not part:
                raise SystemExit("the server closed a connection")
            answer += part
            if complete(answer):
                now = time.perf_counter()
                times.append(now - asked)
                answers[ready.fd] = bytearray(), now
                client.sendall(requests[number % CHATS])
                number += 1
    spent = time.perf_counter() - begun
    times.sort()
    print(
        json.dumps(
            {
                "rate": len(times) / spent,
                "p50": times[len(times) // 2],
                "p99": times[len(times) * 99 // 100],
                "cpu": (time.process_time() - cpu) / spent,
            }
        )
    )


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), sys.argv[4])
