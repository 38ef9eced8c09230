"""`python footprint.py`: what the memory of a connection's process is made of, import by import.

Prints one JSON object: megabytes (PSS) that each step added in this process.
"""

from __future__ import annotations

import importlib
import json
from pathlib import Path

STEPS = {
    "asyncio": ("asyncio",),
    "ray": ("ray", "ray.actor"),
    "pydantic": ("pydantic",),
    "settings": ("actors.config.settings",),
    "structlog": ("structlog",),
    "redis": ("redis.asyncio",),
    "queue and tree": ("actors.connection.actor",),
    "cryptography": ("cryptography.hazmat.primitives.ciphers.aead",),
    "signal": ("doubleratchet", "x3dh", "xeddsa"),
    "protobuf": ("google.protobuf",),
    "protobufs": ("actors.connection.native.transport.tables",),
    "engine": ("actors.connection.native", "actors.connection.session.session"),
}


def pss(pid: int | str = "self") -> float:
    """Megabytes of the process, shared pages divided among those who share them."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    raise AssertionError("no Pss")


if __name__ == "__main__":
    last = pss()
    found = {"interpreter": last}
    for name, modules in STEPS.items():
        for module in modules:
            importlib.import_module(module)
        now = pss()
        found[name], last = now - last, now
    print(json.dumps(found))
