"""``python -m tests.emulators.firestore --port PORT --file FILE [--indexes FILE]``."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

from tests.emulators.firestore import indexes
from tests.emulators.firestore.server import serve


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.emulators.firestore")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--file", type=Path, required=True)
    parser.add_argument("--indexes", type=Path, help="a firestore.indexes.json to go by")
    asked = parser.parse_args()
    known = None if asked.indexes is None else indexes.read(asked.indexes)
    asyncio.run(serve(asked.port, asked.file, known))


if __name__ == "__main__":
    main()
