"""A receiver that is killed: reads messages, commits them in groups, then says which it has.

Arguments: the session file, the epoch. A line in: `id kind hex`. Lines out: `ready` once, `have ID`
after the commit that holds the message, `sent kind hex` after the commit of an answer's ratchet.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from actors.connection.native.signal.device_sessions import Signal, Undecryptable
from actors.connection.session.session import Session

PEER = "15550100002@s.whatsapp.net"
GROUP = 5


async def receive(session: Session, signal: Signal, lines: list[str]) -> list[str]:
    out = []
    for line in lines:
        _, kind, data = line.split()
        await signal.prepare(PEER, "pkmsg" if kind == "pkmsg" else "msg", bytes.fromhex(data))
    async with session.transaction():
        for line in lines:
            message_id, kind, data = line.split()
            if not session.inbox.committed(PEER, PEER, message_id):
                try:
                    with session.savepoint():
                        plaintext = await signal.decrypt(
                            PEER, "pkmsg" if kind == "pkmsg" else "msg", bytes.fromhex(data)
                        )
                        session.inbox.add(
                            chat=PEER,
                            sender=PEER,
                            message_id=message_id,
                            at=1,
                            type="text",
                            text=plaintext.decode(),
                            body=plaintext,
                        )
                except Undecryptable as refused:
                    out.append(f"refused {message_id} {refused.reason}")
                    continue
            out.append(f"have {message_id}")
        answer_kind, answer = await signal.encrypt(PEER, b"answer")
        out.append(f"sent {answer_kind} {answer.hex()}")
    return out


async def main() -> None:
    session = Session.open(Path(sys.argv[1]), int(sys.argv[2]))
    signal = Signal(session)
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=1 << 24)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    print("ready", flush=True)
    waiting: list[str] = []
    while line := (await reader.readline()).decode():
        waiting.append(line)
        if len(waiting) == GROUP:
            for said in await receive(session, signal, waiting):
                print(said, flush=True)
            waiting = []
    if waiting:
        for said in await receive(session, signal, waiting):
            print(said, flush=True)
    session.close()


if __name__ == "__main__":
    asyncio.run(main())
