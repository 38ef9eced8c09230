"""`teimoso backup` as tests call it."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from typer.testing import CliRunner

from gateway.cli.app import app

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.integration.vault.conftest import Host


async def items(
    host: Host, *arguments: str, status: int = 0, named: dict[str, str] | None = None
) -> Sequence[Any]:
    ended, told, said = await run(host, *arguments, "--json", named=named)
    assert ended == status, said
    items: Sequence[Any] = json.loads(told)["items"]
    return items


async def run(
    host: Host, *arguments: str, named: dict[str, str] | None = None
) -> tuple[int, str, str]:
    words = ["backup", *arguments, "--data", str(host.data)]
    # In a thread: a command has an event loop of its own.
    done = await asyncio.to_thread(CliRunner().invoke, app, words, env=named)
    return done.exit_code, done.stdout, done.stderr


def left_behind(host: Host) -> list[Path]:
    """Scratch files of commands: they are as secret as the session."""
    return [
        file
        for kind in ("snapshot", "restoring")
        for file in host.file.parent.glob(f"session.{kind}-*")
    ]
