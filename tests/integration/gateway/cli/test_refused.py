"""`teimoso refused`; the connection's owner is played on the real Redis."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from tests.integration.gateway.api.connections.test_refused_documents import item, owner
from tests.integration.gateway.cli.test_command import start
from tests.integration.gateway.served import SHOP

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.redis.commands import Commands
    from tests.integration.gateway.served import Gateway

__all__ = ["owner"]


async def run(
    gateway: Gateway, owner: Commands, words: Sequence[str], told: Sequence[dict[str, Any]]
) -> tuple[Any, list[tuple[str, Any]]]:
    """The command's output, as JSON, and what the owner was asked by it."""
    asked = list[tuple[str, Any]]()
    with start(gateway.data, "refused", *words, "--json") as process:
        for answer in told:
            command = await owner.next(SHOP, 20)
            assert command is not None
            asked.append((command.kind, command.args))
            await owner.answer(command, answer)
        output, errors = await asyncio.to_thread(process.communicate, timeout=60)
    assert process.returncode == 0, errors
    return json.loads(output), asked


async def test_all_pages_are_listed(gateway: Gateway, owner: Commands) -> None:
    first, last = {"items": [item(key) for key in range(1, 52)]}, {"items": [item(51)]}
    listed, asked = await run(gateway, owner, ["list", "shop"], [first, last])
    assert [one["id"] for one in listed["items"]] == [str(key) for key in range(1, 52)]
    assert [args["after"] for _, args in asked] == ["0", "50"]


async def test_they_are_tried_again_or_discarded(gateway: Gateway, owner: Commands) -> None:
    there = {"there": True}
    told, asked = await run(gateway, owner, ["retry", "shop", "4", "7"], [there, there])
    assert told == {"documents": ["4", "7"]}
    assert asked == [("retry_refused", {"item": "4"}), ("retry_refused", {"item": "7"})]
    two = {"items": [item(4), item(7)]}
    told, asked = await run(
        gateway, owner, ["discard", "shop", "--all", "--yes"], [two, there, there]
    )
    assert told == {"documents": ["4", "7"]}
    assert [kind for kind, _ in asked] == ["refused_items", "discard_refused", "discard_refused"]


def test_nobody_discards_all_by_mistake(gateway: Gateway) -> None:
    for words in (("discard", "shop"), ("discard", "shop", "4", "--all")):
        with start(gateway.data, "refused", *words) as process:
            _, errors = process.communicate(timeout=60)
        assert process.returncode != 0
        assert "name documents, or --all" in errors.replace("\n", " ")
