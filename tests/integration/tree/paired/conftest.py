"""One tree that serves two paired connections for all of this folder: a start costs seconds."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from tests.integration.tree.head import Head, Tree

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

ACCOUNTS = {"shop": "15550100001", "kiosk": "15550100011"}


@pytest.fixture(scope="package")
def head() -> Iterator[Head]:
    with Head(connection_proxy_private=True) as head:
        asyncio.run(_pair(head))
        yield head


async def _pair(head: Head) -> None:
    tree = Tree(head)
    await tree.complete()
    await tree.create(*ACCOUNTS)
    for connection, account in ACCOUNTS.items():
        await tree.pair(connection, account)
    await tree.close()


@pytest_asyncio.fixture
async def tree(head: Head) -> AsyncIterator[Tree]:
    tree = Tree(head)
    try:
        await tree.complete(*ACCOUNTS)
        yield tree
    finally:
        await tree.close()
