"""The project's engine on whatsmeow as a client program; its words are those of `child.py`.

It is driven through the engine's port alone, by the same owner as the native one.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.conformance.clients import native_client
else:
    import native_client  # by its place beside this program: `tests` is not a name to rely on

if __name__ == "__main__":
    asyncio.run(native_client.main("whatsmeow"))
