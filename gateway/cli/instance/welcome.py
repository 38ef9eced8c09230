"""Collects and prints for `teimoso up` the facts of a ready instance: processes, API key, first commands."""

from __future__ import annotations

import asyncio
import shutil
import sys
from typing import TYPE_CHECKING, Any

from actors.runtime.connection_ids import name_of
from actors.state.connection_document import ENGINE
from actors.state.documents import StoreAway
from gateway.cli import output
from gateway.cli.api_client import reachable
from supervision.keeper.parts.process_specs import PROCESSES
from supervision.reports import process_files

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from actors.config.settings import Settings
    from supervision.keeper.manifest import Plan


def facts(data: Path, plan: Plan, key: str | None, attached: Sequence[str]) -> dict[str, Any]:
    """All of it as values. The key is in here this once, and nowhere else in clear."""
    from actors.config.settings import Settings  # noqa: PLC0415 - heavy, and only now complete

    settings = Settings.load(data)
    url = f"http://{reachable(settings)}"
    where = {
        "gateway": url,
        "valkey": f"127.0.0.1:{plan.ports.get('valkey')}",
        "simulator": f"{settings.whatsapp_url}, control http://127.0.0.1:{plan.control_port}",
        "ray": f"dashboard http://127.0.0.1:{plan.ports.get('ray_dashboard')}"
        if settings.ray_dashboard
        else None,
    }
    entries = [*process_files.read(data, PROCESSES), *process_files.read(data)]
    return {
        "ready": True,
        "url": url,
        "command": "teimoso" if shutil.which("teimoso") else sys.argv[0],
        "data": str(data),
        "simulate": plan.simulate,
        "control": f"http://127.0.0.1:{plan.control_port}" if plan.simulate else None,
        "engine_removed": asyncio.run(_linked_by_native(settings)),
        "api_key": key,
        "attached": list(attached),
        "processes": [
            {
                "role": entry.role,
                "connection": entry.connection and name_of(entry.connection),
                "pid": entry.pid,
                "where": where.get(entry.role),
            }
            for entry in entries
        ],
    }


async def _linked_by_native(settings: Settings) -> list[str]:
    """The connections that have to be linked anew, by name; none where the store is away."""
    from actors.state.connections import Connections  # noqa: PLC0415 - heavy
    from actors.state.open_store import open_documents  # noqa: PLC0415

    documents = open_documents(settings)
    try:
        page = await Connections(documents).list()
    except StoreAway:
        return []
    finally:
        await documents.close()
    return [one.name for one in page.items if one.engine != ENGINE]


def welcome(facts: dict[str, Any]) -> None:
    """Say it to a person."""
    console = output.console()
    if facts["attached"]:
        console.print(f"It ran already; attached to {', '.join(facts['attached'])}.\n")
    rows = (
        (one["role"], one["pid"], one["where"] or one["connection"]) for one in facts["processes"]
    )
    output.table(("what", "pid", "where"), rows, "")
    console.print(f"\nData and logs are in {facts['data']}.", soft_wrap=True)
    if facts["engine_removed"]:
        names = ", ".join(facts["engine_removed"])
        console.print(
            f"\nThe engine native is gone: link the accounts of {names} anew, as new connections; their data stays.",
            soft_wrap=True,
        )
    if facts["api_key"] is not None:
        console.print("\nYour API key, shown this once:\n", style="bold")
        console.print(f"  export TEIMOSO_API_KEY={facts['api_key']}", soft_wrap=True)
    console.print("\nTry:\n", style="bold")
    for line in commands(facts):
        console.print(f"  {line}", soft_wrap=True)
    for line in further(facts):
        console.print(f"\n{line}", soft_wrap=True)


def further(facts: dict[str, Any]) -> list[str]:
    """Hints on where to look next; pure."""
    arrived = f"{facts['command']} simulate inbox 15550100002 --data {facts['data']}"
    where = f"The console is at {facts['url']}/, the API is described at {facts['url']}/docs."
    if facts["simulate"]:
        return [f"What arrived then: {arrived}", where]
    real = "docs/real-account.md has the steps with a real account, and what to watch."
    return [where, real]


def commands(facts: dict[str, Any]) -> list[str]:
    """Three commands: a connection, its pairing, a message; pure. A real account is nobody's in an example."""
    url = facts["url"]
    if not facts["simulate"]:
        call, data = facts["command"], f"--data {facts['data']}"
        return [
            f"{call} connections add shop {data}",
            f"{call} connections qr shop {data}  # scan it: WhatsApp, Linked devices, Link a device",
            f"{call} send shop NUMBER 'hi' --wait 20 {data}  # a number of yours, with its country code",
        ]
    post = 'curl -s -H "X-Api-Key: $TEIMOSO_API_KEY" -H "Content-Type: application/json"'
    message = '{"connection":"shop","to":"15550100002","type":"text","text":"hi"}'
    return [
        f'{post} {url}/api/connections -d \'{{"id":"shop"}}\'',
        f"{facts['command']} simulate scan shop 15550100001 --data {facts['data']}",
        f"{post} {url}/api/messages -d '{message}'",
    ]
