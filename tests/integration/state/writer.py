"""A process that writes batches to a state store until it is stopped, or killed.

``writer.py FILE NAME BATCHES`` writes batches of ten documents, each batch with one number, and
prints the number when the store has confirmed. It raises a counter that it shares with others.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from actors.state.documents import StoreAway, Write
from actors.state.sqlite.store import SqliteDocuments

if TYPE_CHECKING:
    from actors.state.documents import Document

AT_ONCE = 4
SIZE = 10


def raised(document: Document | None) -> Document:
    return {"n": (document or {"n": 0})["n"] + 1}


async def main(file: Path, name: str, batches: int) -> None:
    documents = SqliteDocuments(file)

    async def write(first: int) -> None:
        for number in range(first, batches, AT_ONCE):
            writes = [
                Write("set", "things", f"{name}.{number}.{n}", {"writer": name, "batch": number})
                for n in range(SIZE)
            ]
            writes.append(Write("change", "counters", "shared", change=raised))
            while True:
                try:
                    await documents.batch(writes)
                except StoreAway:
                    continue
                break
            print(number, flush=True)

    await asyncio.gather(*(write(first) for first in range(AT_ONCE)))
    await documents.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
